package rest

import "time"

// Settings of the front end. Sizes are in bytes.
type Settings struct {
	BodyBytesMax     int64 // of a request as it is sent
	UnpackedBytesMax int64 // of a request after gzip
	RecordBytesMax   int64 // of one record of a stream, as JSON
	FetchBytesMax    int   // of keys and values in one answer

	BodyTimeout    time.Duration // from the header of a request to the end of its body; in a stream, from record to record
	WriteTimeout   time.Duration // of an answer
	RequestTimeout time.Duration // of everything that one request waits for
	FetchWaitMax   time.Duration // that a client may ask to wait for records
	FetchWait      time.Duration // if it does not say

	InstanceTTL      time.Duration // a consumer instance that is not used for so long is gone
	InstanceTTLMax   time.Duration // that a client may ask for
	AutoCommitEvery  time.Duration // of consumer instances that commit by themselves
	RebalanceTimeout time.Duration // a consumer instance that has to give up partitions must call within

	BatchEntriesMax   int    // of records:batch
	OffsetMetadataMax int    // bytes that come with a committed offset
	StreamWindow      int    // records of a stream that are on their way
	SameSite          bool   // also where nobody is asked who they are, pages of other sites may change nothing
	PublicURL         string // that clients reach this front end by; "": what their requests say
}

// DefaultSettings are used where the operator says nothing.
func DefaultSettings() Settings {
	return Settings{
		BodyBytesMax: 16 << 20, UnpackedBytesMax: 64 << 20, RecordBytesMax: 8 << 20, FetchBytesMax: 4 << 20,
		BodyTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, RequestTimeout: time.Minute, FetchWaitMax: 30 * time.Second, FetchWait: time.Second,
		InstanceTTL: 5 * time.Minute, InstanceTTLMax: 24 * time.Hour, AutoCommitEvery: 5 * time.Second, RebalanceTimeout: time.Minute,
		BatchEntriesMax: 1000, OffsetMetadataMax: 4096, StreamWindow: 1000, SameSite: true,
	}
}
