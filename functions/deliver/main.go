// The function that delivers: a schedule or anybody invokes it, and it reads for a consumer group and invokes another function with the
// records, in the events that AWS sends for a self-managed Kafka cluster. What that function took is committed, what it cannot take goes to
// a topic of dead letters.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/place"
)

func main() {
	p, err := place.Open(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog deliver:", err)
		os.Exit(1)
	}
	f, err := open(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog deliver:", err)
		os.Exit(1)
	}
	lambda.Start(emf.Wrap(p.Meter("deliver"), f.invoke, counted))
}
