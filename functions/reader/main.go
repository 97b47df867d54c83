// The function that reads: records from an offset, the ends of partitions, names of topics, over HTTP and without a group. Nothing is kept
// between two requests.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firnlog/functions/api"
	"github.com/firnlog/firnlog/functions/gateway"
	"github.com/firnlog/firnlog/functions/place"
)

func main() {
	p, err := place.Open(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog reader:", err)
		os.Exit(1)
	}
	h := api.New(p.Environment, api.Reads, p.Log)
	lambda.Start(func(ctx context.Context, event json.RawMessage) (*gateway.Reply, error) {
		return gateway.Serve(ctx, h, event, p.Log)
	})
}
