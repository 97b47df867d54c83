// The function that maintains: a schedule invokes it once a minute, and it does what brokers do in the background, as far as its
// time goes. Its event is not looked at; its answer says what was done, and what is overdue.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/functions/emf"
	"github.com/firnlog/firnlog/functions/place"
)

func main() {
	p, err := place.Open(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog maintenance:", err)
		os.Exit(1)
	}
	m, err := open(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "firnlog maintenance:", err)
		os.Exit(1)
	}
	lambda.Start(emf.Wrap(p.Meter("maintenance"), func(ctx context.Context, _ json.RawMessage) (*maintain.Report, error) { return m.Visit(ctx) }, counted))
}
