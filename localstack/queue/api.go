package queue

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The JSON protocol of SQS (AWS JSON 1.0), as far as sending, receiving, deleting and looking goes: a POST with the operation in
// X-Amz-Target. Signatures are not looked at.

// account is the only one.
const account = "000000000000"

// API serves queues. It is an http.Handler.
type API struct{ queues map[string]*Queue }

// NewAPI makes one for these queues.
func NewAPI(queues ...*Queue) *API {
	a := &API{queues: map[string]*Queue{}}
	for _, q := range queues {
		a.queues[q.Name] = q
	}
	return a
}

// fault is an error as SQS tells it: the name that SDKs turn into an error of a type, and the code of the protocol before.
type fault struct{ kind, code, message string }

// Error implements error.
func (f *fault) Error() string { return f.message }

// request has the fields of all operations.
type request struct {
	QueueName, QueueUrl string
	message
	Entries           []sendEntry
	ReceiptHandle     string
	MaxNumberMessages int `json:"MaxNumberOfMessages"`
	WaitTimeSeconds   int
	VisibilityTimeout int
}

// message is a message to send.
type message struct {
	MessageBody       string
	DelaySeconds      int
	MessageAttributes map[string]Attribute
}

type sendEntry struct {
	ID string `json:"Id"`
	message
}

// sent is the answer to one message.
type sent struct {
	ID               string `json:"Id,omitempty"`
	MessageID        string `json:"MessageId"`
	BodyDigest       string `json:"MD5OfMessageBody"`
	AttributesDigest string `json:"MD5OfMessageAttributes,omitempty"`
}

// refusal is a message of a batch that was not taken.
type refusal struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

// received is a message on its way out.
type received struct {
	MessageID        string `json:"MessageId"`
	ReceiptHandle    string
	Body             string
	BodyDigest       string `json:"MD5OfBody"`
	Attributes       map[string]string
	AttributesDigest string               `json:"MD5OfMessageAttributes,omitempty"`
	Given            map[string]Attribute `json:"MessageAttributes,omitempty"`
}

const (
	requestBytesMax = 4 << 20 // ten messages in JSON at the worst
	sendEntriesMax  = 10
	receiveMax      = 10
	waitSecondsMax  = 20
)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestBytesMax))
	if err != nil {
		refuse(w, &fault{"InvalidParameterValue", "InvalidParameterValue", "request cannot be read: " + err.Error()})
		return
	}
	in := &request{}
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if err := json.Unmarshal(raw, in); err != nil || !ok {
		refuse(w, &fault{"InvalidAction", "InvalidAction", "want a POST with X-Amz-Target: AmazonSQS.… and a body of JSON"})
		return
	}
	out, err := a.answer(r.Context(), operation, in, "http://"+r.Host+"/"+account+"/")
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(out) // the client has gone
}

func refuse(w http.ResponseWriter, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{"InvalidParameterValue", "InvalidParameterValue", err.Error()}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Query-Error", f.code+";Sender")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + f.kind, "message": f.message})
}

func (a *API) answer(ctx context.Context, operation string, in *request, base string) (any, error) {
	if operation == "ListQueues" {
		urls := []string{}
		for _, name := range slices.Sorted(maps.Keys(a.queues)) {
			urls = append(urls, base+name)
		}
		return map[string][]string{"QueueUrls": urls}, nil
	}
	name := in.QueueName
	if name == "" {
		name = in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]
	}
	q := a.queues[name]
	if q == nil {
		return nil, &fault{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."}
	}
	switch operation {
	case "GetQueueUrl":
		return map[string]string{"QueueUrl": base + name}, nil
	case "GetQueueAttributes":
		return map[string]any{"Attributes": q.attributes()}, nil
	case "SendMessage":
		return q.send(&in.message)
	case "SendMessageBatch":
		return q.sendBatch(in.Entries)
	case "ReceiveMessage":
		return q.receive(ctx, in), nil
	case "DeleteMessage":
		if err := q.Delete(in.ReceiptHandle); err != nil {
			return nil, &fault{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", err.Error()}
		}
		return struct{}{}, nil
	}
	return nil, &fault{"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", operation + " is not offered here"}
}

func (q *Queue) attributes() map[string]string {
	visible, hidden := q.Counts()
	out := map[string]string{
		"QueueArn": arn(q.Name), "ApproximateNumberOfMessages": strconv.Itoa(visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"ApproximateNumberOfMessagesDelayed": "0", "VisibilityTimeout": strconv.Itoa(int(q.Visibility / time.Second)),
	}
	if q.DeadLetter != nil {
		policy, _ := json.Marshal(map[string]any{"deadLetterTargetArn": arn(q.DeadLetter.Name), "maxReceiveCount": q.ReceivesMax}) // a text and a number
		out["RedrivePolicy"] = string(policy)
	}
	return out
}

func (q *Queue) send(in *message) (*sent, error) {
	if in.MessageBody == "" {
		return nil, &fault{"MissingParameter", "MissingParameter", "The request must contain the parameter MessageBody."}
	}
	m, err := q.Send(in.MessageBody, in.MessageAttributes, time.Duration(in.DelaySeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sent{MessageID: m.ID, BodyDigest: digest([]byte(m.Body)), AttributesDigest: attributesDigest(m.Attributes)}, nil
}

func (q *Queue) sendBatch(entries []sendEntry) (any, error) {
	out := struct {
		Successful []*sent
		Failed     []refusal
	}{[]*sent{}, []refusal{}}
	ids := map[string]bool{}
	for i := range entries {
		ids[entries[i].ID] = true
	}
	switch {
	case len(entries) == 0:
		return nil, &fault{"EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."}
	case len(entries) > sendEntriesMax:
		return nil, &fault{"TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."}
	case len(ids) < len(entries):
		return nil, &fault{"BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id of each entry must be its own."}
	}
	for i := range entries {
		one, err := q.send(&entries[i].message)
		if err != nil {
			out.Failed = append(out.Failed, refusal{entries[i].ID, true, "InvalidParameterValue", err.Error()})
			continue
		}
		one.ID = entries[i].ID
		out.Successful = append(out.Successful, one)
	}
	return out, nil
}

func (q *Queue) receive(ctx context.Context, in *request) any {
	most := min(max(in.MaxNumberMessages, 1), receiveMax)
	hide := time.Duration(in.VisibilityTimeout) * time.Second
	batch, _ := q.Receive(most, eventMax, hide)
	if wait := min(in.WaitTimeSeconds, waitSecondsMax); len(batch) == 0 && wait > 0 {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(wait)*time.Second)
		defer cancel()
		for len(batch) == 0 && q.Wait(ctx) == nil {
			batch, _ = q.Receive(most, eventMax, hide)
		}
	}
	out := []received{}
	for i := range batch {
		m := &batch[i]
		out = append(out, received{m.ID, m.Handle, m.Body, digest([]byte(m.Body)), systemAttributes(m), attributesDigest(m.Attributes), m.Attributes})
	}
	return map[string]any{"Messages": out}
}

// attributesDigest is the MD5 that SDKs compare: for each attribute in the order of names its name, type, a byte for text (1) or
// bytes (2), and value; lengths are four bytes, big endian.
func attributesDigest(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b bytes.Buffer
	put := func(v []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(v)))
		b.Write(n[:])
		b.Write(v)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		put([]byte(name))
		put([]byte(a.DataType))
		if a.StringValue != nil {
			b.WriteByte(1)
			put([]byte(*a.StringValue))
		} else {
			b.WriteByte(2)
			put(a.BinaryValue)
		}
	}
	return digest(b.Bytes())
}
