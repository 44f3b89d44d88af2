// ioredis, unmodified, against a node: the port is the first argument.
const assert = require("assert");
const Redis = require("ioredis");
(async () => {
  const r = new Redis(+process.argv[2], "127.0.0.1");
  await r.flushall();
  assert.equal(await r.set("k", "v", "EX", 100), "OK");
  assert.equal(await r.get("k"), "v");
  assert.equal(await r.getBuffer("k").then(String), "v");
  assert.equal(await r.incr("n"), 1);
  assert.deepEqual(await r.mget("k", "n", "x"), ["v", "1", null]);
  assert.equal(await r.sadd("s", "a", "b"), 2);
  assert.deepEqual((await r.smembers("s")).sort(), ["a", "b"]);
  const p = r.pipeline();
  for (let i = 0; i < 500; i++) p.set("key:" + i, i);
  assert((await p.exec()).every(([e, v]) => !e && v === "OK"));
  let n = 0;
  for await (const keys of r.scanStream({ match: "key:*", count: 50 })) n += keys.length;
  assert.equal(n, 500);
  assert.deepEqual(await r.multi().set("{t}a", 1).incr("{t}a").exec(), [[null, "OK"], [null, 2]]);
  await assert.rejects(r.incr("k"), /not an integer/);
  await assert.rejects(r.sadd("k", 1), /WRONGTYPE/);
  assert.equal(await r.dbsize(), 504);
  await r.quit();
  console.log("ioredis: ok");
})().catch((e) => { console.error(e); process.exit(1); });
