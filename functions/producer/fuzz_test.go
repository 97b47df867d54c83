package main

import "testing"

// FuzzMessagesOf feeds any event. Each message has what its source needs to hear of it again.
func FuzzMessagesOf(f *testing.F) {
	f.Add([]byte(`{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"b","attributes":{"SentTimestamp":"5"},"messageAttributes":{"topic":{"stringValue":"t"},"key":{"binaryValue":"eA=="}}}]}`))
	f.Add([]byte(`{"Records":[{"eventSource":"aws:kinesis","kinesis":{"partitionKey":"k","data":"eA==","sequenceNumber":"9","approximateArrivalTimestamp":1.5}}]}`))
	f.Add([]byte(`{"eventSource":"aws:kafka","records":{"t-0":[{"topic":"t","partition":0,"offset":1,"timestamp":5,"key":"eA==","value":"","headers":[{"h":[1,2]}]}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		messages, answer, err := messagesOf(raw)
		if err != nil {
			return
		}
		var ids []string
		for _, m := range messages {
			ids = append(ids, m.id)
		}
		if _, err := answer(nil); err != nil {
			t.Fatalf("nothing failed, and the answer is %v", err)
		}
		_, _ = answer(ids)
	})
}
