// The function of a user, for tests of delivery. It appends each record of an event that it takes to the file that RECEIVER_FILE names, as
// "partition offset value". A record whose value says so makes it fail, exit, hang, or answer late, before it takes anything.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

var errPoison = errors.New("there is poison in it")

func main() { lambda.Start(take) }

func take(_ context.Context, e events.KafkaEvent) error {
	var lines strings.Builder
	for partition, records := range e.Records {
		for _, r := range records {
			value, err := base64.StdEncoding.DecodeString(r.Value)
			if err != nil {
				return err
			}
			switch text := string(value); {
			case strings.HasPrefix(text, "poison"):
				return errPoison
			case strings.HasPrefix(text, "crash"):
				os.Exit(3)
			case strings.HasPrefix(text, "hang"):
				select {}
			case strings.HasPrefix(text, "slow"):
				time.Sleep(300 * time.Millisecond)
			}
			fmt.Fprintln(&lines, partition, r.Offset, string(value))
		}
	}
	f, err := os.OpenFile(os.Getenv("RECEIVER_FILE"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(lines.String())
	return err
}
