package queue_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/firnlog/firnlog/localstack/queue"
)

// The SDK compares the digests of what it has sent with those it is answered.
func TestAPI_TheSDKsClientWorksUnmodified(t *testing.T) {
	s := newScene(t)
	server := httptest.NewServer(queue.NewAPI(s.Queue, s.dead))
	defer server.Close()
	c := sqs.New(sqs.Options{Region: "local", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})
	ctx := t.Context()
	found, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(s)}
	}
	if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String("ünï"), MessageAttributes: map[string]types.MessageAttributeValue{
		"topic": text("t"), "raw": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
	}}); err != nil {
		t.Fatal(err)
	}
	batch, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: found.QueueUrl, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("1"), MessageBody: aws.String("one"), MessageAttributes: map[string]types.MessageAttributeValue{"topic": text("t")}},
		{Id: aws.String("2"), MessageBody: aws.String("later"), DelaySeconds: 600},
	}})
	if err != nil || len(batch.Successful) != 2 || len(batch.Failed) != 0 {
		t.Fatalf("%+v, %v", batch, err)
	}
	look, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: found.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil || look.Attributes["ApproximateNumberOfMessages"] != "2" || look.Attributes["ApproximateNumberOfMessagesNotVisible"] != "1" {
		t.Errorf("%+v, %v", look, err)
	}
	got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: found.QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
	if err != nil || len(got.Messages) != 2 || aws.ToString(got.Messages[0].Body) != "ünï" || string(got.Messages[0].MessageAttributes["raw"].BinaryValue) != "\x00\xff" {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: found.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle}); err != nil {
		t.Error(err)
	}
	var invalid *types.ReceiptHandleIsInvalid
	if _, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: found.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle}); !errors.As(err, &invalid) {
		t.Errorf("deleted twice: %v", err)
	}
	var none *types.QueueDoesNotExist
	if _, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("none")}); !errors.As(err, &none) {
		t.Errorf("unknown queue: %v", err)
	}
	if list, err := c.ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil || len(list.QueueUrls) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}
