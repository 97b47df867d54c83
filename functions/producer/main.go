// The function that produces: HTTP requests (Function URL, API Gateway, load balancer), direct invocations, and messages of SQS, Kinesis
// and Kafka. Whatever one invocation brings becomes one segment and one commit, and is acknowledged after that.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firnlog/functions/api"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/place"
)

func main() {
	p, err := place.Open(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog producer:", err)
		os.Exit(1)
	}
	f := &function{place: p, http: api.New(p.Environment, api.Writes, p.Log)}
	lambda.Start(emf.Wrap(p.Meter("producer"), f.invoke, counted))
}
