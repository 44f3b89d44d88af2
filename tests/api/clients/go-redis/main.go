// go-redis, unmodified, against a node: the port is the first argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

func check(ok bool, what string, err error) {
	if !ok || err != nil {
		fmt.Println("failed:", what, err)
		os.Exit(1)
	}
}

func main() {
	ctx := context.Background()
	r := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
	check(true, "flushall", r.FlushAll(ctx).Err())
	check(true, "set", r.Set(ctx, "k", "v", 100*time.Second).Err())
	v, err := r.Get(ctx, "k").Result()
	check(v == "v", "get", err)
	_, err = r.Get(ctx, "none").Result()
	check(err == redis.Nil, "nil", nil)
	n, err := r.Incr(ctx, "n").Result()
	check(n == 1, "incr", err)
	check(true, "sadd", r.SAdd(ctx, "s", "a", "b").Err())
	m, err := r.SMembersMap(ctx, "s").Result()
	check(len(m) == 2, "smembers", err)
	_, err = r.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := 0; i < 500; i++ {
			p.Set(ctx, fmt.Sprintf("key:%d", i), i, 0)
		}
		return nil
	})
	check(true, "pipeline", err)
	it, count := r.Scan(ctx, 0, "key:*", 50).Iterator(), 0
	for it.Next(ctx) {
		count++
	}
	check(count == 500, "scan", it.Err())
	cmds, err := r.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "{t}a", 1, 0)
		p.Incr(ctx, "{t}a")
		return nil
	})
	check(len(cmds) == 2, "tx", err)
	err = r.Watch(ctx, func(tx *redis.Tx) error {
		r.Set(ctx, "{t}a", 7, 0)
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "{t}a"); return nil })
		return err
	}, "{t}a")
	check(errors.Is(err, redis.TxFailedErr), "watch", nil)
	t, err := r.TTL(ctx, "k").Result()
	check(t > 0 && t <= 100*time.Second, "ttl", err)
	fmt.Println("go-redis: ok")
}
