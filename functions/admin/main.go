// The function that administers topics over HTTP: make, grow, configure, delete.
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
		fmt.Fprintln(os.Stderr, "firnlog admin:", err)
		os.Exit(1)
	}
	h := api.New(p.Environment, api.Administers, p.Log)
	lambda.Start(emf.Wrap(p.Meter("admin"), func(ctx context.Context, event json.RawMessage) (*gateway.Reply, error) {
		return gateway.Serve(ctx, h, event, p.Log)
	}, gateway.Count))
}
