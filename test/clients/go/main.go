// Drives go-redis through the proxy and prints one line for each capability.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	ctx    = context.Background()
	name   = fmt.Sprintf("go-redis-%x", randomBytes(6))
	event  = name + "-event"
	resp2  = os.Getenv("TQ_PROTOCOL") == "2"
	failed = false
)

func main() {
	options := &redis.Options{Addr: "127.0.0.1:" + os.Getenv("TQ_PORT"), Password: os.Getenv("TQ_PASSWORD")}
	if resp2 {
		options.Protocol = 2
	}
	client := redis.NewClient(options)
	key := func(parts ...any) string {
		text := name
		for _, part := range parts {
			text += fmt.Sprintf(":%v", part)
		}
		return text
	}

	capability("connects with its opening commands answered", func() {
		equal(do(client.Ping(ctx)), "PONG")
		info := do(client.ClientInfo(ctx))
		match(info.LibName, `^go-redis`)
		match(info.LibVer, `^9\.`)
		protocol := 3
		if resp2 {
			protocol = 2
		}
		equal(info.Resp, protocol)
	})

	capability("reads and writes strings", func() {
		equal(do(client.Set(ctx, key("s"), "value", time.Minute)), "OK")
		equal(do(client.Get(ctx, key("s"))), "value")
		equal(client.Get(ctx, key("none")).Err(), redis.Nil)
		equal(do(client.SetNX(ctx, key("s"), "other", 0)), false)
	})

	capability("counts", func() {
		equal(do(client.Incr(ctx, key("n"))), int64(1))
		equal(do(client.IncrBy(ctx, key("n"), 41)), int64(42))
	})

	capability("reads and writes hashes, sorted sets and streams", func() {
		equal(do(client.HSet(ctx, key("h"), "a", 1, "b", 2)), int64(2))
		equal(do(client.HGetAll(ctx, key("h"))), map[string]string{"a": "1", "b": "2"})
		members := []redis.Z{{Score: 1, Member: "one"}, {Score: 2.5, Member: "two"}}
		equal(do(client.ZAdd(ctx, key("z"), members...)), int64(2))
		equal(do(client.ZRangeWithScores(ctx, key("z"), 0, -1)), members)
		id := do(client.XAdd(ctx, &redis.XAddArgs{Stream: key("x"), Values: []string{"field", "value"}}))
		entries := do(client.XRange(ctx, key("x"), "-", "+"))
		equal(len(entries), 1)
		equal(entries[0].ID, id)
		equal(entries[0].Values, map[string]any{"field": "value"})
	})

	capability("runs a script of its own", func() {
		reply := do(client.Eval(ctx, "return {KEYS[1], ARGV[1], 7}", []string{key("k")}, "a"))
		equal(reply, []any{key("k"), "a", int64(7)})
		// By its digest first, as the client does it; the text follows when Redis does not know it.
		twice := redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)")
		equal(do(twice.Run(ctx, client, []string{key("n")}, 4)), int64(50))
		equal(do(twice.Run(ctx, client, []string{key("n")}, 4)), int64(58))
	})

	capability("keeps binary keys and values as they are", func() {
		odd := name + "\r\n\x00\xff\r\n\x80"
		value := randomBytes(70_000)
		do(client.Set(ctx, odd, value, 0))
		read, err := client.Get(ctx, odd).Bytes()
		equal(err, nil)
		equal(bytes.Equal(read, value), true)
	})

	capability("has several hundred commands over all slots answered in order in one pipeline", func() {
		replies, err := client.Pipelined(ctx, func(pipeline redis.Pipeliner) error {
			for i := range 300 {
				pipeline.Set(ctx, key("p", i), i, 0)
				pipeline.Get(ctx, key("p", i))
			}
			return nil
		})
		equal(err, nil)
		for i := range 300 {
			equal(replies[i*2].(*redis.StatusCmd).Val(), "OK")
			equal(replies[i*2+1].(*redis.StringCmd).Val(), fmt.Sprint(i))
		}
	})

	capability("gets an error as its own kind of error and goes on", func() {
		fails(client.LPush(ctx, key("s"), "x").Err(), `^WRONGTYPE `)
		fails(client.Do(ctx, "NO.SUCH", "x").Err(), `^ERR unknown command 'NO\.SUCH', with args beginning with: 'x'`)
		var before, after *redis.StringCmd
		var refused *redis.IntCmd
		_, err := client.Pipelined(ctx, func(pipeline redis.Pipeliner) error {
			before = pipeline.Get(ctx, key("s"))
			refused = pipeline.LPush(ctx, key("s"), "x")
			after = pipeline.Get(ctx, key("s"))
			return nil
		})
		fails(err, `^WRONGTYPE `)
		fails(refused.Err(), `^WRONGTYPE `)
		equal([]string{do(before), do(after)}, []string{"value", "value"})
	})

	capability("names itself and learns its id", func() {
		// One connection of its own, since a pool may take another for each command.
		single := client.Conn()
		defer single.Close()
		equal(do(single.ClientSetName(ctx, name)), true)
		equal(do(single.ClientGetName(ctx)), name)
		id := do(single.ClientID(ctx))
		match(do(single.Do(ctx, "CLIENT", "INFO")).(string), fmt.Sprintf("^id=%d .* name=%s ", id, name))
	})

	capability("reads INFO", func() {
		info := do(client.Info(ctx))
		match(info, `(?m)^redis_version:\d+\.\d+\.\d+\r$`)
		match(info, `(?m)^tq_version:\S+\r$`)
		sections := do(client.InfoMap(ctx, "server"))
		match(sections["Server"]["redis_version"], `^\d+\.\d+\.\d+$`)
	})

	capability("enqueues, and again: a duplicate", func() {
		reply := do(client.Do(ctx, "TQ.ENQUEUE", event, "user-1", "token-1")).([]any)
		equal([]any{reply[0], reply[2]}, []any{"QUEUED", int64(1)})
		match(reply[1].(string), `^\d+-\d+$`)
		again := do(client.Do(ctx, "TQ.ENQUEUE", event, "user-1", "token-1"))
		equal(again, []any{"DUPLICATE", reply[1], int64(1)})
	})

	capability("asks for a position, and for that of nobody", func() {
		equal(do(client.Do(ctx, "TQ.POS", event, "token-1")), int64(1))
		equal(client.Do(ctx, "TQ.POS", event, "token-0").Err(), redis.Nil)
	})

	capability("reads the status record in the form of its protocol", func() {
		reply := do(client.Do(ctx, "TQ.STATUS", event, "token-1"))
		record := map[any]any{}
		if resp2 {
			flat := reply.([]any)
			for i := 0; i < len(flat); i += 2 {
				record[flat[i]] = flat[i+1]
			}
		} else {
			record = reply.(map[any]any)
		}
		equal([]any{record["state"], record["position"], record["total"]}, []any{"waiting", int64(1), int64(1)})
		equal(client.Do(ctx, "TQ.STATUS", event, "token-0").Err(), redis.Nil)
	})

	capability("holds a seat, and finds it taken for others", func() {
		equal(do(client.Do(ctx, "TQ.STOCK", event, "SEATS", "A1", "A2")), []any{"STOCKED", int64(2)})
		held := do(client.Do(ctx, "TQ.HOLD", event, "user-1", "EX", 60, "SEATS", "A1")).([]any)
		equal(held[:2], []any{"HELD", int64(1)})
		refused := do(client.Do(ctx, "TQ.HOLD", event, "user-2", "SEATS", "A1", "A2"))
		equal(refused, []any{"SEAT_UNAVAILABLE", int64(1), nil, nil, []any{"A1"}})
		fails(client.Do(ctx, "TQ.HOLD", event, "user-2", "SEATS", "A1", "A1").Err(), `^ERR syntax error$`)
	})

	capability("sends TQ commands in a pipeline among others", func() {
		replies, err := client.Pipelined(ctx, func(pipeline redis.Pipeliner) error {
			for i := range 50 {
				other := fmt.Sprintf("%s-%d", event, i)
				pipeline.Set(ctx, key("p", i), i, 0)
				pipeline.Do(ctx, "TQ.ENQUEUE", other, "user", "token")
				pipeline.Do(ctx, "TQ.POS", other, "token")
			}
			return nil
		})
		equal(err, nil)
		for i := range 50 {
			equal(replies[i*3].(*redis.StatusCmd).Val(), "OK")
			equal(replies[i*3+1].(*redis.Cmd).Val().([]any)[0], "QUEUED")
			equal(replies[i*3+2].(*redis.Cmd).Val(), int64(1))
		}
	})

	capability("comes back after the proxy was started anew", func() {
		fmt.Println("restart")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		equal(err, nil)
		equal(line, "restarted\n")
		equal(do(client.Get(ctx, key("s"))), "value")
		equal(do(client.Do(ctx, "TQ.POS", event, "token-1")), int64(1))
		match(do(client.ClientInfo(ctx)).LibName, `^go-redis`)
	})

	client.Close()
	if failed {
		os.Exit(1)
	}
}

// capability runs one check and prints whether it held; the reason of a failure stands behind it.
func capability(name string, check func()) {
	defer func() {
		if reason := recover(); reason != nil {
			failed = true
			fmt.Printf("not ok %s # %s\n", name, strings.Join(strings.Fields(fmt.Sprint(reason)), " "))
			return
		}
		fmt.Println("ok " + name)
	}()
	check()
}

// do gives the value of a command that has to succeed.
func do[T any](command interface{ Result() (T, error) }) T {
	value, err := command.Result()
	if err != nil {
		panic(err)
	}
	return value
}

func equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Sprintf("%#v is not %#v", actual, expected))
	}
}

func match(text, pattern string) {
	if !regexp.MustCompile(pattern).MatchString(text) {
		panic(fmt.Sprintf("%q does not match %s", text, pattern))
	}
}

// fails checks that an error is one that the server answered with, and how it is worded.
func fails(err error, pattern string) {
	var answered redis.Error
	if !errors.As(err, &answered) {
		panic(fmt.Sprintf("%v is no error of the server", err))
	}
	match(err.Error(), pattern)
}

func randomBytes(count int) []byte {
	bytes := make([]byte, count)
	rand.Read(bytes)
	return bytes
}
