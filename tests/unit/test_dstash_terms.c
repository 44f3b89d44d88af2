/* Ids and terms of the string search: vectors and rules of the original. */
#include "api/dstash/strings.h"
#include "harness.h"

static void test_murmur(void)
{
    EXPECT_EQ(2414502773, murmur2(SLICE("foo"), 0));
    EXPECT_EQ(1151865881, murmur2(SLICE("hello world"), 0));
    EXPECT_EQ(1530270488, murmur2(SLICE("The quick brown fox"), 0));
    EXPECT_EQ(1412061192, murmur2(SLICE("foo"), 123));
    EXPECT_EQ(1878194508, murmur2(SLICE("zztop"), 123));
    EXPECT_EQ(0, murmur2(SLICE(""), 0));
}

static void test_fingerprint(void)
{
    EXPECT(fnv1a(SLICE("")) == UINT64_C(0xcbf29ce484222325));
    EXPECT(fnv1a(SLICE("a")) == UINT64_C(0xaf63dc4c8601ec8c));
}

/* The terms of `text` as "a|b|c". */
static void expect_terms(const char *text, size_t size, const char *want)
{
    struct terms t = {0};
    struct buf got = {0};
    terms_of(&t, slice_of(text, size));
    for (size_t i = 0; i < t.count; i++) {
        if (i > 0) {
            buf_append_byte(&got, '|');
        }
        buf_append_slice(&got, t.list[i]);
    }
    if (!slice_equal(buf_slice(&got), slice_of_text(want))) {
        (void)fprintf(stderr, "terms of \"%.*s\": want \"%s\", got \"%.*s\"\n", (int)size, text,
                      want, (int)got.size, (const char *)got.data);
        exit(1);
    }
    buf_deinit(&got);
    terms_deinit(&t);
}

#define TERMS(text, want) expect_terms((text), sizeof(text) - 1, (want))

static void test_words(void)
{
    TERMS("The quick brown fox", "brown|fox|quick");
    TERMS("Fox fox FOX", "fox");
    TERMS("", "");
    TERMS("   \t\n", "");
    TERMS("it's well-known snake_case", "it's|snake_case|well-known");
    TERMS("-", "-");
    TERMS("a-b", "a-b");
    TERMS("route66west 42", "route|west");
    TERMS("one.two,word", "word"); /* the others are stop words */
    TERMS("zero\0byte", "byte|zero");
}

static void test_stop_words(void)
{
    TERMS("the THE The", "");
    TERMS("amoungst fify thickv couldnt hasnt", "");
    TERMS("don't", "don't");
    EXPECT(is_stop_word(SLICE("a")));
    EXPECT(is_stop_word(SLICE("yourselves")));
    EXPECT(!is_stop_word(SLICE("")));
    EXPECT(!is_stop_word(SLICE("yourselvesx")));
}

static void test_markup(void)
{
    TERMS("<p class=\"x\">hello</p>world", "hello|world");
    TERMS("cut<br>here", "cut"); /* "here" is a stop word */
    TERMS("left < right", "left|right");
    TERMS("never <closed", "closed");
    TERMS("<a\n href>link", "link");
    TERMS("caf&eacute; &amp; t&#233; na&#xef;ve", "café|naïve|té");
    TERMS("&lt;b&gt;", "b"); /* tags go first */
    TERMS("&nosuch; &", "nosuch");
    TERMS("&ampere", "ere"); /* the longest beginning without a semicolon; '&' parts */
    TERMS("x&nbsp;y", "x|y");
    TERMS("&#0;z&#xd800;q&#x110000;", "q|z");
    TERMS("&#138;koda", "škoda");
    TERMS("&#; &#x;", "x");
}

static void test_unicode(void)
{
    TERMS("ÉCOLE", "école");
    TERMS("e\xcc\x81t\x65\xcc\x81", "été");    /* composed */
    TERMS("Straße ΣΊΣΥΦΟΣ", "straße|σίσυφοσ"); /* letter by letter */
    TERMS("हिन्दी", "हिन्दी");                   /* Mc and Mn belong to terms */
    TERMS("日本語、中文", "中文|日本語");
    TERMS("\xe2\x84\xaa"
          "elvin",
          "kelvin");                /* the sign is a letter in NFC */
    TERMS("x\xe2\x83\x9dy", "x|y"); /* an enclosing mark (Me) is none */
    TERMS("\xd9\xa3\xd9\xa4", "");  /* digits of any script */
    TERMS("Ⅷ", "");                 /* a number that is a letter (Nl) */
    TERMS("ok\xff\xfe"
          "bad",
          "bad|ok"); /* no UTF-8 */
    TERMS("half\xe2\x82", "half");
    TERMS("\xcc\x81lone", "\xcc\x81lone");
    TERMS("İstanbul", "istanbul");
}

static void test_long_terms(void)
{
    uint8_t text[2000];
    uint8_t key[TERM_KEY_MAX];
    uint8_t other[TERM_KEY_MAX];
    memset(text, 'a', sizeof(text));
    EXPECT_EQ(2, term_key(key, slice_of(text, 1)));
    EXPECT_EQ(TERM_KEPT_BYTES + 1, term_key(key, slice_of(text, TERM_KEPT_BYTES)));
    EXPECT_EQ(TERM_KEY_MAX, term_key(key, slice_of(text, TERM_KEPT_BYTES + 1)));
    EXPECT_EQ(TERM_KEY_MAX, term_key(other, slice_of(text, TERM_KEPT_BYTES + 2)));
    EXPECT(memcmp(key, other, TERM_KEY_MAX) != 0);
}

static void test_documents(void)
{
    uint8_t key[DOCUMENT_BYTES + 1];
    string_key(key, SLICE("foo"));
    EXPECT_EQ('s', key[0]);
    EXPECT_EQ(2414502773, document_id(document_of(slice_of(key, sizeof(key)))));
}

static const struct test_case cases[] = {
    {"murmur", test_murmur},         {"fingerprint", test_fingerprint}, {"words", test_words},
    {"stop words", test_stop_words}, {"markup", test_markup},           {"unicode", test_unicode},
    {"long terms", test_long_terms}, {"documents", test_documents},
};

TEST_MAIN(cases)
