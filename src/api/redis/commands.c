/* commands.c - the table of commands, and how a name finds its line. */
#include <stdio.h>

#include "api/redis/session.h"
#include "base/check.h"

#define READ  (FLAG_READ)
#define QUICK (FLAG_READ | FLAG_FAST)
#define WRITE (FLAG_WRITE)
#define GROW  (FLAG_WRITE | FLAG_DENYOOM)
#define TALK  (FLAG_LOADING | FLAG_FAST)

/* First key, last key, step. */
#define NO_KEY  0, 0, 0
#define ONE_KEY 1, 1, 1
#define TWO_KEY 1, 2, 1
#define ALL_KEY 1, -1, 1
#define PAIRS   1, -1, 2

static enum verdict redis_unknown(struct task *t)
{
    /* A page in a browser can be made to post commands to any port. It says so first. */
    if (arg_is(t, 0, "post") || arg_is(t, 0, "host:")) {
        t->session->is_ending = true;
        return task_error(t, ERR_DENIED, "ERR this looks like HTTP: the connection is closed");
    }
    char text[512];
    size_t size = 0;
    for (size_t i = 1; i < t->arg_count && size < 128; i++) {
        const int room = (int)(128 - size);
        const int shown = t->args[i].size < (size_t)room ? (int)t->args[i].size : room;
        const int added = snprintf(text + size, sizeof(text) - size, "'%.*s' ", shown,
                                   (const char *)t->args[i].data);
        CHECK(added > 0);
        size += (size_t)added;
    }
    text[size] = 0;
    const int shown = t->args[0].size < 128 ? (int)t->args[0].size : 128;
    if (t->session->multi != NULL) {
        multi_spoil(t->session);
    }
    return task_errorf(t, ERR_UNIMPLEMENTED,
                       "ERR unknown command '%.*s', with args beginning with: %s", shown,
                       (const char *)t->args[0].data, text);
}

static const struct command_spec specs[] = {
    {"acl", redis_acl, -2, FLAG_LOADING | FLAG_NOSCRIPT, NO_KEY, GROUP_SERVER, "6.0.0",
     "Tells who the user is.", ""},
    {"append", redis_append, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "2.0.0",
     "Appends bytes to a string, which begins empty.", "key value"},
    {"auth", redis_auth, -2, TALK | FLAG_NOSCRIPT | FLAG_NO_AUTH | FLAG_NO_SLOWLOG, NO_KEY,
     GROUP_CONNECTION, "1.0.0", "Says who the client is.", "[username] password"},
    {"bitcount", redis_bitcount, -2, READ, ONE_KEY, GROUP_BITMAP, "2.6.0",
     "Counts the bits that are set in a string.", "key [start end [BYTE|BIT]]"},
    {"bitfield", redis_bitfield, -2, GROW, ONE_KEY, GROUP_BITMAP, "3.2.0",
     "Reads and changes integers of any width inside a string.",
     "key [GET encoding offset|([OVERFLOW (WRAP|SAT|FAIL)] (SET encoding offset value|INCRBY "
     "encoding offset increment))]..."},
    {"bitfield_ro", redis_bitfield_ro, -2, QUICK, ONE_KEY, GROUP_BITMAP, "6.0.0",
     "Reads integers of any width inside a string.", "key [GET encoding offset]..."},
    {"bitop", redis_bitop, -4, GROW, 2, -1, 1, GROUP_BITMAP, "2.6.0",
     "Stores the AND, OR, XOR or NOT of strings.", "operation destkey key..."},
    {"bitpos", redis_bitpos, -3, READ, ONE_KEY, GROUP_BITMAP, "2.8.7",
     "Finds the first bit that is set, or clear.", "key bit [start [end [BYTE|BIT]]]"},
    {"client", redis_client, -2, FLAG_LOADING | FLAG_NOSCRIPT, NO_KEY, GROUP_CONNECTION, "2.4.0",
     "Looks at connections and changes this one.", ""},
    {"cluster", redis_cluster, -2, FLAG_LOADING, NO_KEY, GROUP_CLUSTER, "3.0.0",
     "Tells the hash slot of a key, and the state.", ""},
    {"command", redis_command, -1, FLAG_LOADING, NO_KEY, GROUP_SERVER, "2.8.13",
     "Describes the commands.", ""},
    {"config", redis_config, -2, FLAG_LOADING | FLAG_ADMIN | FLAG_NOSCRIPT | FLAG_DANGEROUS, NO_KEY,
     GROUP_SERVER, "2.0.0", "Shows and changes settings.", ""},
    {"copy", redis_copy, -3, GROW, TWO_KEY, GROUP_GENERIC, "6.2.0",
     "Copies a value to another key.", "source destination [DB destination-db] [REPLACE]"},
    {"dbsize", redis_dbsize, 1, QUICK | FLAG_ALONE, NO_KEY, GROUP_SERVER, "1.0.0",
     "Counts the keys of the table.", ""},
    {"debug", redis_debug, -2,
     FLAG_LOADING | FLAG_ADMIN | FLAG_NOSCRIPT | FLAG_DANGEROUS | FLAG_NO_MULTI, NO_KEY,
     GROUP_SERVER, "1.0.0", "Lets this connection sleep.", ""},
    {"decr", redis_decr, 2, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Takes one from an integer, which begins as 0.", "key"},
    {"decrby", redis_decrby, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Takes a number from an integer, which begins as 0.", "key decrement"},
    {"del", redis_del, -2, WRITE | FLAG_SPLITS, ALL_KEY, GROUP_GENERIC, "1.0.0", "Deletes keys.",
     "key..."},
    {"discard", redis_discard, 1, TALK | FLAG_NOSCRIPT | FLAG_NOW, NO_KEY, GROUP_TRANSACTIONS,
     "2.0.0", "Forgets the commands queued by MULTI.", ""},
    {"echo", redis_echo, 2, TALK, NO_KEY, GROUP_CONNECTION, "1.0.0", "Answers its argument.",
     "message"},
    {"exec", redis_exec, 1, FLAG_LOADING | FLAG_NOSCRIPT | FLAG_NOW, NO_KEY, GROUP_TRANSACTIONS,
     "1.2.0", "Carries out the commands queued by MULTI, all at once.", ""},
    {"exists", redis_exists, -2, QUICK | FLAG_SPLITS, ALL_KEY, GROUP_GENERIC, "1.0.0",
     "Counts which of the keys exist.", "key..."},
    {"expire", redis_expire, -3, WRITE | FLAG_FAST, ONE_KEY, GROUP_GENERIC, "1.0.0",
     "Lets a key expire after some seconds.", "key seconds [NX|XX|GT|LT]"},
    {"expireat", redis_expireat, -3, WRITE | FLAG_FAST, ONE_KEY, GROUP_GENERIC, "1.2.0",
     "Lets a key expire at a time in seconds since 1970.", "key unix-time-seconds [NX|XX|GT|LT]"},
    {"expiretime", redis_expiretime, 2, QUICK, ONE_KEY, GROUP_GENERIC, "7.0.0",
     "Tells when a key expires, in seconds since 1970.", "key"},
    {"flushall", redis_flushall, -1, WRITE | FLAG_DANGEROUS | FLAG_ALONE | FLAG_WHOLE, NO_KEY,
     GROUP_SERVER, "1.0.0", "Empties the sixteen databases.", "[ASYNC|SYNC]"},
    {"flushdb", redis_flushdb, -1, WRITE | FLAG_DANGEROUS | FLAG_ALONE | FLAG_WHOLE, NO_KEY,
     GROUP_SERVER, "1.0.0", "Empties the selected table.", "[ASYNC|SYNC]"},
    {"get", redis_get, 2, QUICK, ONE_KEY, GROUP_STRING, "1.0.0", "Reads a string.", "key"},
    {"getbit", redis_getbit, 3, QUICK, ONE_KEY, GROUP_BITMAP, "2.2.0", "Reads one bit of a string.",
     "key offset"},
    {"getdel", redis_getdel, 2, WRITE | FLAG_FAST, ONE_KEY, GROUP_STRING, "6.2.0",
     "Reads a string and deletes it.", "key"},
    {"getex", redis_getex, -2, WRITE | FLAG_FAST, ONE_KEY, GROUP_STRING, "6.2.0",
     "Reads a string and changes when it expires.",
     "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]"},
    {"getrange", redis_getrange, 4, READ, ONE_KEY, GROUP_STRING, "2.4.0",
     "Reads a part of a string.", "key start end"},
    {"getset", redis_getset, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Writes a string and answers the one before.", "key value"},
    {"hello", redis_hello, -1, TALK | FLAG_NOSCRIPT | FLAG_NO_AUTH | FLAG_ALONE | FLAG_NO_SLOWLOG,
     NO_KEY, GROUP_CONNECTION, "6.0.0", "Chooses the version of the protocol.",
     "[protover [AUTH username password] [SETNAME clientname]]"},
    {"incr", redis_incr, 2, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Adds one to an integer, which begins as 0.", "key"},
    {"incrby", redis_incrby, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Adds a number to an integer, which begins as 0.", "key increment"},
    {"incrbyfloat", redis_incrbyfloat, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "2.6.0",
     "Adds a decimal number to one, which begins as 0.", "key increment"},
    {"info", redis_info, -1, FLAG_LOADING | FLAG_DANGEROUS, NO_KEY, GROUP_SERVER, "1.0.0",
     "Shows the state of the node.", "[section...]"},
    {"keys", redis_keys, 2, READ | FLAG_DANGEROUS | FLAG_ALONE | FLAG_WHOLE, NO_KEY, GROUP_GENERIC,
     "1.0.0", "Lists all keys that match a pattern.", "pattern"},
    {"latency", redis_latency, -2, FLAG_LOADING | FLAG_ADMIN | FLAG_NOSCRIPT | FLAG_DANGEROUS,
     NO_KEY, GROUP_SERVER, "2.8.13", "Answers as with the latency monitor switched off.", ""},
    {"lcs", redis_lcs, -3, READ | FLAG_SPLITS, TWO_KEY, GROUP_STRING, "7.0.0",
     "Finds the longest common subsequence of two strings.",
     "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]"},
    {"memory", redis_memory, -2, READ, NO_KEY, GROUP_SERVER, "4.0.0",
     "Estimates the memory of a key.", ""},
    {"mget", redis_mget, -2, QUICK | FLAG_SPLITS, ALL_KEY, GROUP_STRING, "1.0.0",
     "Reads several strings.", "key..."},
    {"mset", redis_mset, -3, GROW | FLAG_SPLITS, PAIRS, GROUP_STRING, "1.0.1",
     "Writes several strings.", "(key value)..."},
    {"msetnx", redis_msetnx, -3, GROW, PAIRS, GROUP_STRING, "1.0.1",
     "Writes several strings if none of the keys exists.", "(key value)..."},
    {"multi", redis_multi, 1, TALK | FLAG_NOSCRIPT | FLAG_NOW, NO_KEY, GROUP_TRANSACTIONS, "1.2.0",
     "Begins to queue commands for EXEC.", ""},
    {"object", redis_object, -2, READ, 2, 2, 1, GROUP_GENERIC, "2.2.3",
     "Tells how a value is kept.", ""},
    {"persist", redis_persist, 2, WRITE | FLAG_FAST, ONE_KEY, GROUP_GENERIC, "2.2.0",
     "Lets a key live for ever.", "key"},
    {"pexpire", redis_pexpire, -3, WRITE | FLAG_FAST, ONE_KEY, GROUP_GENERIC, "2.6.0",
     "Lets a key expire after some milliseconds.", "key milliseconds [NX|XX|GT|LT]"},
    {"pexpireat", redis_pexpireat, -3, WRITE | FLAG_FAST, ONE_KEY, GROUP_GENERIC, "2.6.0",
     "Lets a key expire at a time in milliseconds since 1970.",
     "key unix-time-milliseconds [NX|XX|GT|LT]"},
    {"pexpiretime", redis_pexpiretime, 2, QUICK, ONE_KEY, GROUP_GENERIC, "7.0.0",
     "Tells when a key expires, in milliseconds since 1970.", "key"},
    {"ping", redis_ping, -1, FLAG_FAST, NO_KEY, GROUP_CONNECTION, "1.0.0",
     "Answers PONG, or its argument.", "[message]"},
    {"psetex", redis_psetex, 4, GROW, ONE_KEY, GROUP_STRING, "2.6.0",
     "Writes a string that expires after some milliseconds.", "key milliseconds value"},
    {"pttl", redis_pttl, 2, QUICK, ONE_KEY, GROUP_GENERIC, "2.6.0",
     "Tells how many milliseconds a key has left.", "key"},
    {"quit", redis_quit, -1, TALK | FLAG_NOSCRIPT | FLAG_NO_AUTH | FLAG_NOW, NO_KEY,
     GROUP_CONNECTION, "1.0.0", "Closes the connection.", ""},
    {"randomkey", redis_randomkey, 1, READ | FLAG_ALONE | FLAG_WHOLE, NO_KEY, GROUP_GENERIC,
     "1.0.0", "Answers some key.", ""},
    {"rename", redis_rename, 3, WRITE, TWO_KEY, GROUP_GENERIC, "1.0.0",
     "Gives a key another name, replacing what was there.", "key newkey"},
    {"renamenx", redis_renamenx, 3, WRITE | FLAG_FAST, TWO_KEY, GROUP_GENERIC, "1.0.0",
     "Gives a key another name if that is free.", "key newkey"},
    {"reset", redis_reset, 1, TALK | FLAG_NOSCRIPT | FLAG_NO_AUTH | FLAG_NOW | FLAG_ALONE, NO_KEY,
     GROUP_CONNECTION, "6.2.0", "Makes the connection as it was when it began.", ""},
    {"role", redis_role, 1, TALK | FLAG_ADMIN | FLAG_NOSCRIPT | FLAG_DANGEROUS, NO_KEY,
     GROUP_SERVER, "2.8.12", "Tells that this is no replica.", ""},
    {"sadd", redis_sadd, -3, GROW | FLAG_FAST, ONE_KEY, GROUP_SET, "1.0.0",
     "Adds members to a set.", "key member..."},
    {"scan", redis_scan, -2, READ | FLAG_ALONE | FLAG_WHOLE, NO_KEY, GROUP_GENERIC, "2.8.0",
     "Lists the keys of the table in steps.", "cursor [MATCH pattern] [COUNT count] [TYPE type]"},
    {"scard", redis_scard, 2, QUICK, ONE_KEY, GROUP_SET, "1.0.0", "Counts the members of a set.",
     "key"},
    {"sdiff", redis_sdiff, -2, READ, ALL_KEY, GROUP_SET, "1.0.0",
     "Lists the members of the first set that are in no other.", "key..."},
    {"sdiffstore", redis_sdiffstore, -3, GROW, ALL_KEY, GROUP_SET, "1.0.0",
     "Stores what SDIFF would list.", "destination key..."},
    {"select", redis_select, 2, TALK, NO_KEY, GROUP_CONNECTION, "1.0.0",
     "Chooses a database by number or a table by name.", "index"},
    {"set", redis_set, -3, GROW, ONE_KEY, GROUP_STRING, "1.0.0",
     "Writes a string, replacing any value.",
     "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
     "unix-time-milliseconds|KEEPTTL]"},
    {"setbit", redis_setbit, 4, GROW, ONE_KEY, GROUP_BITMAP, "2.2.0",
     "Sets or clears one bit of a string.", "key offset value"},
    {"setex", redis_setex, 4, GROW, ONE_KEY, GROUP_STRING, "2.0.0",
     "Writes a string that expires after some seconds.", "key seconds value"},
    {"setnx", redis_setnx, 3, GROW | FLAG_FAST, ONE_KEY, GROUP_STRING, "1.0.0",
     "Writes a string if the key is free.", "key value"},
    {"setrange", redis_setrange, 4, GROW, ONE_KEY, GROUP_STRING, "2.2.0",
     "Overwrites a part of a string.", "key offset value"},
    {"sinter", redis_sinter, -2, READ, ALL_KEY, GROUP_SET, "1.0.0",
     "Lists the members that all sets have.", "key..."},
    {"sintercard", redis_sintercard, -3, READ | FLAG_MOVABLE, NO_KEY, GROUP_SET, "7.0.0",
     "Counts the members that all sets have.", "numkeys key... [LIMIT limit]"},
    {"sinterstore", redis_sinterstore, -3, GROW, ALL_KEY, GROUP_SET, "1.0.0",
     "Stores what SINTER would list.", "destination key..."},
    {"sismember", redis_sismember, 3, QUICK, ONE_KEY, GROUP_SET, "1.0.0",
     "Tells whether a set has a member.", "key member"},
    {"slowlog", redis_slowlog, -2, FLAG_LOADING | FLAG_ADMIN | FLAG_DANGEROUS | FLAG_ALONE, NO_KEY,
     GROUP_SERVER, "2.2.12", "Shows the commands that took long.", ""},
    {"smembers", redis_smembers, 2, READ, ONE_KEY, GROUP_SET, "1.0.0",
     "Lists the members of a set.", "key"},
    {"smismember", redis_smismember, -3, QUICK, ONE_KEY, GROUP_SET, "6.2.0",
     "Tells which members a set has.", "key member..."},
    {"smove", redis_smove, 4, WRITE | FLAG_FAST, TWO_KEY, GROUP_SET, "1.0.0",
     "Moves a member from one set to another.", "source destination member"},
    {"spop", redis_spop, -2, WRITE | FLAG_FAST, ONE_KEY, GROUP_SET, "1.0.0",
     "Takes random members out of a set.", "key [count]"},
    {"srandmember", redis_srandmember, -2, READ, ONE_KEY, GROUP_SET, "1.0.0",
     "Answers random members of a set.", "key [count]"},
    {"srem", redis_srem, -3, WRITE | FLAG_FAST, ONE_KEY, GROUP_SET, "1.0.0",
     "Removes members from a set.", "key member..."},
    {"sscan", redis_sscan, -3, READ, ONE_KEY, GROUP_SET, "2.8.0",
     "Lists the members of a set in steps.", "key cursor [MATCH pattern] [COUNT count]"},
    {"strlen", redis_strlen, 2, QUICK, ONE_KEY, GROUP_STRING, "2.2.0",
     "Tells how long a string is.", "key"},
    {"substr", redis_getrange, 4, READ, ONE_KEY, GROUP_STRING, "1.0.0",
     "Reads a part of a string; the old name of GETRANGE.", "key start end"},
    {"sunion", redis_sunion, -2, READ, ALL_KEY, GROUP_SET, "1.0.0",
     "Lists the members that any of the sets has.", "key..."},
    {"sunionstore", redis_sunionstore, -3, GROW, ALL_KEY, GROUP_SET, "1.0.0",
     "Stores what SUNION would list.", "destination key..."},
    {"swapdb", redis_swapdb, 3, WRITE | FLAG_FAST | FLAG_DANGEROUS, NO_KEY, GROUP_SERVER, "4.0.0",
     "Refused: tables keep their names.", "index1 index2"},
    {"time", redis_time, 1, TALK, NO_KEY, GROUP_SERVER, "2.6.0", "Tells the node's time.", ""},
    {"touch", redis_touch, -2, QUICK | FLAG_SPLITS, ALL_KEY, GROUP_GENERIC, "3.2.1",
     "Counts which of the keys exist, as a use of them.", "key..."},
    {"ttl", redis_ttl, 2, QUICK, ONE_KEY, GROUP_GENERIC, "1.0.0",
     "Tells how many seconds a key has left.", "key"},
    {"type", redis_type, 2, QUICK, ONE_KEY, GROUP_GENERIC, "1.0.0", "Tells the type of a value.",
     "key"},
    {"unlink", redis_del, -2, WRITE | FLAG_FAST | FLAG_SPLITS, ALL_KEY, GROUP_GENERIC, "4.0.0",
     "Deletes keys, as DEL.", "key..."},
    {"unwatch", redis_unwatch, 1, TALK | FLAG_NOSCRIPT, NO_KEY, GROUP_TRANSACTIONS, "2.2.0",
     "Forgets the keys under WATCH.", ""},
    {"wait", redis_wait, 3, FLAG_NOSCRIPT | FLAG_ALONE, NO_KEY, GROUP_GENERIC, "3.0.0",
     "Waits for the writes before it; there are no replicas.", "numreplicas timeout"},
    {"watch", redis_watch, -2, TALK | FLAG_NOSCRIPT | FLAG_NOW, ALL_KEY, GROUP_TRANSACTIONS,
     "2.2.0", "Lets EXEC fail if one of the keys changes before.", "key..."},
    {"unknown", redis_unknown, -1, FLAG_LOADING | FLAG_NOW | FLAG_NO_SLOWLOG, NO_KEY,
     GROUP_CONNECTION, "", "", ""},
};

#define SPEC_COUNT (sizeof(specs) / sizeof(specs[0]) - 1)

/* An index entry is one byte. */
_Static_assert(SPEC_COUNT < 255, "the index of commands needs wider entries");

const struct command_spec *command_specs(size_t *count)
{
    *count = SPEC_COUNT;
    return specs;
}

/* ---- Lookup: a name of up to 16 bytes is two words in lower case ---- */

#define NAME_MAX_SIZE 16

struct name_words {
    uint64_t low, high;
};

static uint64_t load(const uint8_t *from, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, from, size);
    return word;
}

/* Sets bit 5 of each byte from 'A' to 'Z', eight at a time. */
static uint64_t lower(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t heptets = word & (ones * 0x7f);
    const uint64_t is_from_a = heptets + ones * (0x80 - 'A');
    const uint64_t is_past_z = heptets + ones * (0x7f - 'Z');
    const uint64_t is_upper = (is_from_a ^ is_past_z) & ~word & (ones * 0x80);
    return word | (is_upper >> 2);
}

/* The words overlap when the name is not 8 or 16 bytes long; together with the size they still
 * say it all. */
static struct name_words words_of(struct slice name)
{
    const uint8_t *d = name.data;
    const size_t size = name.size;
    if (size >= 8) {
        return (struct name_words){lower(load(d, 8)), lower(load(d + size - 8, 8))};
    }
    if (size >= 4) {
        return (struct name_words){lower(load(d, 4) | load(d + size - 4, 4) << 32), size};
    }
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)d[i] << (8 * i);
    }
    return (struct name_words){lower(word), size};
}

static size_t slot_of(struct name_words words)
{
    const uint64_t mixed =
        (words.low ^ (words.high * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)(mixed >> 56) % COMMAND_INDEX_SIZE;
}

void command_index_init(struct command_index *index)
{
    *index = (struct command_index){0};
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        const struct slice name = slice_of_text(specs[i].name);
        const struct name_words words = words_of(name);
        size_t slot = slot_of(words);
        CHECK(name.size <= NAME_MAX_SIZE);
        while (index->entries[slot].size != 0) {
            slot = (slot + 1) % COMMAND_INDEX_SIZE;
        }
        index->entries[slot] = (struct command_entry){
            .low = words.low, .high = words.high, .size = (uint8_t)name.size, .spec = (uint8_t)i};
    }
}

const struct command_spec *command_find(const struct command_index *index, struct slice name)
{
    if (name.size == 0 || name.size > NAME_MAX_SIZE) {
        return &specs[SPEC_COUNT];
    }
    const struct name_words words = words_of(name);
    size_t slot = slot_of(words);
    while (index->entries[slot].size != 0) {
        const struct command_entry *entry = &index->entries[slot];
        if (entry->low == words.low && entry->high == words.high && entry->size == name.size) {
            return &specs[entry->spec];
        }
        slot = (slot + 1) % COMMAND_INDEX_SIZE;
    }
    return &specs[SPEC_COUNT];
}
