// A tour of holdfast.v1: make run ADDRESS=host:port
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "holdfast-tour/holdfastv1"
)

const table = "tour"

// tour holds a client for each service.
type tour struct {
	ctx     context.Context
	kv      pb.KVClient
	counter pb.CounterClient
	set     pb.SetClient
	log     pb.LogClient
	tables  pb.TablesClient
}

func must[T any](answer T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return answer
}

// detailOf is what the node says of a call that failed.
func detailOf(err error) *pb.ErrorDetail {
	for _, detail := range status.Convert(err).Details() {
		if detail, ok := detail.(*pb.ErrorDetail); ok {
			return detail
		}
	}
	return &pb.ErrorDetail{Message: err.Error()}
}

func codeOf(err error) string {
	return strings.TrimPrefix(detailOf(err).Code.String(), "ERROR_CODE_")
}

// title writes a truth as the other tours do.
func title(is bool) string {
	if is {
		return "True"
	}
	return "False"
}

// values: a value, and how two writers keep out of each other's way.
func (t *tour) values() {
	must(t.kv.Put(t.ctx, &pb.PutRequest{Table: table, Key: []byte("city"), Value: []byte("Graz")}))
	city := must(t.kv.Get(t.ctx, &pb.GetRequest{Table: table, Key: []byte("city")}))
	fmt.Println("city is", string(city.Value))
	condition := &pb.Condition{Condition: &pb.Condition_Revision{Revision: city.Revision}}
	for _, value := range []string{"Wien", "Linz"} {
		_, err := t.kv.Put(t.ctx, &pb.PutRequest{Table: table, Key: []byte("city"),
			Value: []byte(value), Condition: condition})
		if err != nil {
			fmt.Println(value, "came too late:", codeOf(err))
		} else {
			fmt.Println("changed to", value)
		}
	}
	must(t.kv.Put(t.ctx, &pb.PutRequest{Table: table, Key: []byte("session"), Value: []byte("anna"),
		Expiry: &pb.Expiry{Expiry: &pb.Expiry_TtlMs{TtlMs: 60000}}}))
	stat := must(t.kv.Stat(t.ctx, &pb.StatRequest{Table: table, Key: []byte("session")}))
	fmt.Println("session expires:", title(stat.TtlMs > 0))
}

// collections: a retry of the same write, by its id, does nothing.
func (t *tour) collections() {
	var visits *pb.CounterAddResponse
	for i := 0; i < 2; i++ {
		visits = must(t.counter.Add(t.ctx, &pb.CounterAddRequest{Table: table, Key: []byte("visits"),
			Amount: 5, IdempotencyId: []byte("request-17")}))
	}
	fmt.Println("visits:", visits.Value)
	must(t.set.Add(t.ctx, &pb.SetAddRequest{Table: table, Key: []byte("tags"),
		Members: [][]byte{[]byte("red"), []byte("blue")}}))
	fmt.Print("tags:")
	pages := must(t.set.Members(t.ctx, &pb.SetMembersRequest{Table: table, Key: []byte("tags")}))
	for page, err := pages.Recv(); err != io.EOF; page, err = pages.Recv() {
		for _, member := range must(page, err).Members {
			fmt.Print(" ", string(member))
		}
	}
	fmt.Println()
	for _, text := range []string{"signed in", "signed out"} {
		must(t.log.Append(t.ctx, &pb.LogAppendRequest{Table: table, Key: []byte("anna"),
			Value: []byte(text), Author: []byte("tour")}))
	}
	read := must(t.log.Read(t.ctx, &pb.LogReadRequest{Table: table, Key: []byte("anna")}))
	newest := read.Versions[0]
	fmt.Printf("anna, version %d: %s\n", newest.Number, newest.Value)
}

// together: a transaction; many operations on one stream; a range of any size.
func (t *tour) together() {
	txn := must(t.kv.Txn(t.ctx, &pb.TxnRequest{
		Table: table,
		Compares: []*pb.Compare{{Key: []byte("city"),
			Target: &pb.Compare_Value{Value: []byte("Wien")}}},
		Success: []*pb.Operation{
			{Operation: &pb.Operation_Put{Put: &pb.PutRequest{Key: []byte("country"),
				Value: []byte("AT")}}},
			{Operation: &pb.Operation_Get{Get: &pb.GetRequest{Key: []byte("city")}}},
		}}))
	fmt.Println("transaction:", title(txn.Succeeded), string(txn.Results[1].GetGet().Value))
	fmt.Println("batch:", t.batch(100))
	fmt.Print("range:")
	pages := must(t.kv.Range(t.ctx, &pb.RangeRequest{Table: table, Prefix: []byte("item/"),
		Reverse: true, Limit: 3}))
	for page, err := pages.Recv(); err != io.EOF; page, err = pages.Recv() {
		for _, record := range must(page, err).Records {
			fmt.Printf(" %s=%s", record.Key, record.Value)
		}
	}
	fmt.Println()
}

// batch puts so many items, and counts the answers that say they are new.
func (t *tour) batch(count int) int {
	created := 0
	stream := must(t.kv.Batch(t.ctx))
	go func() {
		for i := 0; i < count; i++ {
			put := &pb.PutRequest{Table: table, Key: []byte(fmt.Sprintf("item/%03d", i)),
				Value: []byte(fmt.Sprint(i * i))}
			request := &pb.BatchRequest{Request: &pb.BatchRequest_Operation{
				Operation: &pb.Operation{Operation: &pb.Operation_Put{Put: put}}}}
			if err := stream.Send(request); err != nil {
				return // Recv says why
			}
		}
		_ = stream.CloseSend()
	}()
	for answer, err := stream.Recv(); err != io.EOF; answer, err = stream.Recv() {
		if must(answer, err).GetResult().GetPut().GetCreated() {
			created++
		}
	}
	return created
}

func (t *tour) errors() {
	_, err := t.kv.Get(t.ctx, &pb.GetRequest{Table: table, Key: []byte("nobody")})
	if err == nil {
		log.Fatal(errors.New("nobody is there"))
	}
	fmt.Println("nobody:", codeOf(err), "may have happened:", title(detailOf(err).MayHaveHappened))
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("tour host:port")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection := must(grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer connection.Close()
	t := &tour{ctx, pb.NewKVClient(connection), pb.NewCounterClient(connection),
		pb.NewSetClient(connection), pb.NewLogClient(connection), pb.NewTablesClient(connection)}
	must(t.tables.Create(ctx, &pb.TablesCreateRequest{Table: table,
		Options: &pb.TableOptions{Partition: pb.Partition_PARTITION_TABLE}}))
	t.values()
	t.collections()
	t.together()
	t.errors()
	must(t.tables.Drop(ctx, &pb.TablesDropRequest{Table: table}))
}
