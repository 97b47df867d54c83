// The function that reads, over HTTP: consumers of groups, the state and the lag of groups, records from an offset, the ends of partitions,
// names of topics. Nothing is kept between two requests but in etcd, so that any environment serves any of them.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firnlog/functions/api"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/gateway"
	"github.com/firnlog/firnlog/functions/place"
)

func main() {
	p, err := place.Open(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog consumer:", err)
		os.Exit(1)
	}
	h := api.New(p.Environment, api.Consumes, p.Log)
	lambda.Start(emf.Wrap(p.Meter("consumer"), func(ctx context.Context, event json.RawMessage) (*gateway.Reply, error) {
		return gateway.Serve(ctx, h, event, p.Log)
	}, gateway.Count))
}
