// Package apitest checks a driver against a server that answers as a test tells it
// to: classes of errors, the requests themselves, and what an upload allocates.
//
// Owns: what must hold for both S3 drivers and no real server can be made to
// show. Does not own: the promises of a Store (storetest, against real servers).
package apitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/objectstore"
)

// Bucket and Prefix are what open must use.
const (
	Bucket = "bucket"
	Prefix = "some/prefix"
)

// Run runs the checks. openWith makes a store whose server listens on HOST:PORT; the
// transport may be nil.
func Run(t *testing.T, openWith func(t *testing.T, address string, transport http.RoundTripper) objectstore.Store) {
	open := func(t *testing.T, address string) objectstore.Store { return openWith(t, address, nil) }
	t.Run("AnswersHaveTheirClass", func(t *testing.T) { answers(t, open) })
	t.Run("SilenceHasItsClass", func(t *testing.T) { silence(t, open) })
	t.Run("NoConnectionIsUnavailable", func(t *testing.T) { noConnection(t, open) })
	t.Run("Put_SendsOneConditionalCheckedRequest", func(t *testing.T) { putRequest(t, open) })
	t.Run("Put_DoesNotJoinChunks", func(t *testing.T) { putAllocations(t, open) })
	t.Run("Get_IgnoredRangeIsCutHere", func(t *testing.T) { ignoredRange(t, open) })
	t.Run("Get_ShortBodyIsUnavailable", func(t *testing.T) { shortBody(t, open) })
	t.Run("List_ShortPagesAreNotTheEnd", func(t *testing.T) { shortPages(t, open) })
	t.Run("List_ContextEndedBetweenPagesIsNotTheEnd", func(t *testing.T) { endedBetweenPages(t, openWith) })
	t.Run("Delete_OneKeyOfManyFails", func(t *testing.T) { deleteOneFails(t, open) })
}

func serve(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// calls are the four requests.
func calls(store objectstore.Store) map[objectstore.Op]func(ctx context.Context) error {
	return map[objectstore.Op]func(ctx context.Context) error{
		objectstore.OpPut: func(ctx context.Context) error { return store.Put(ctx, "k", []byte("body")) },
		objectstore.OpGet: func(ctx context.Context) error { _, err := store.Get(ctx, "k", 1, 2); return err },
		objectstore.OpList: func(ctx context.Context) error {
			_, err := store.List(ctx, "p/", "", 10)
			return err
		},
		objectstore.OpDelete: func(ctx context.Context) error { return store.Delete(ctx, "k") },
	}
}

var errPlain = errors.New("none of the classes")

func wantClass(t *testing.T, what string, err, want error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
	}
	for _, class := range []error{
		objectstore.ErrExists, objectstore.ErrNotFound, objectstore.ErrRange,
		objectstore.ErrUnknown, objectstore.ErrUnavailable, objectstore.ErrClass,
	} {
		if errors.Is(err, class) != errors.Is(class, want) {
			t.Errorf("%s: error %v, want %v only", what, err, want)
		}
	}
}

func answers(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	unavailable, unknown := objectstore.ErrUnavailable, objectstore.ErrUnknown
	tests := []struct {
		status                 int
		code                   string
		put, get, list, delete error
	}{
		{412, "PreconditionFailed", objectstore.ErrExists, errPlain, errPlain, errPlain},
		{409, "ConditionalRequestConflict", unavailable, unavailable, unavailable, unavailable},
		{409, "ExistingObjectIsDirectory", unavailable, unavailable, unavailable, unavailable},
		{409, "BucketNotEmpty", errPlain, errPlain, errPlain, errPlain},
		{404, "NoSuchKey", errPlain, objectstore.ErrNotFound, errPlain, errPlain},
		{404, "NoSuchBucket", errPlain, errPlain, errPlain, errPlain},
		{403, "AccessDenied", errPlain, errPlain, errPlain, errPlain},
		{400, "InvalidArgument", errPlain, errPlain, errPlain, errPlain},
		{400, "InvalidStorageClass", objectstore.ErrClass, errPlain, errPlain, errPlain},
		{400, "BadDigest", unavailable, unavailable, unavailable, unavailable},
		{400, "XAmzContentChecksumMismatch", unavailable, unavailable, unavailable, unavailable},
		{400, "RequestTimeout", unavailable, unavailable, unavailable, unavailable},
		{503, "SlowDown", unavailable, unavailable, unavailable, unavailable},
		{503, "SlowDownWrite", unknown, unavailable, unavailable, unknown},
		{503, "", unavailable, unavailable, unavailable, unavailable},
		{429, "", unavailable, unavailable, unavailable, unavailable},
		{500, "InternalError", unknown, unavailable, unavailable, unknown},
		{500, "", unknown, unavailable, unavailable, unknown},
		{502, "", unknown, unavailable, unavailable, unknown},
		{504, "", unknown, unavailable, unavailable, unknown},
	}
	for _, test := range tests {
		var requests atomic.Int64
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w, test.status, test.code)
		})
		want := map[objectstore.Op]error{
			objectstore.OpPut: test.put, objectstore.OpGet: test.get,
			objectstore.OpList: test.list, objectstore.OpDelete: test.delete,
		}
		for op, call := range calls(open(t, address)) {
			requests.Store(0)
			what := fmt.Sprintf("%v answered with %d %s", op, test.status, test.code)
			wantClass(t, what, call(t.Context()), want[op])
			if n := requests.Load(); n != 1 {
				t.Errorf("%s: %d requests, want 1: retries are not the driver's", what, n)
			}
		}
	}
}

func answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if code != "" {
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>as the test says</Message></Error>`, code)
	}
}

// silence: the request went out, the connection breaks or time runs out.
func silence(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	want := map[objectstore.Op]error{
		objectstore.OpPut: objectstore.ErrUnknown, objectstore.OpDelete: objectstore.ErrUnknown,
		objectstore.OpGet: objectstore.ErrUnavailable, objectstore.OpList: objectstore.ErrUnavailable,
	}
	broken := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	for op, call := range calls(open(t, broken)) {
		wantClass(t, fmt.Sprintf("%v on a connection that breaks", op), call(t.Context()), want[op])
	}

	arrived := make(chan struct{})
	stuck := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	for op, call := range calls(open(t, stuck)) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		go func() {
			<-arrived
			cancel()
		}()
		err := call(ctx)
		cancel()
		if op.Changes() != errors.Is(err, objectstore.ErrUnknown) || errors.Is(err, objectstore.ErrUnavailable) {
			t.Errorf("%v with its context ended while it waits: %v", op, err)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v with its context ended while it waits: %v, want canceled", op, err)
		}
	}
}

func noConnection(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for op, call := range calls(open(t, address)) {
		wantClass(t, fmt.Sprintf("%v with nobody listening", op), call(t.Context()), objectstore.ErrUnavailable)
	}
}

func putRequest(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	var got *http.Request
	var body []byte
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	store := open(t, address)
	for _, chunks := range [][][]byte{{[]byte("1234"), nil, []byte("56789")}, nil} {
		whole := bytes.Join(chunks, nil)
		if err := store.Put(t.Context(), "a/b c", chunks...); err != nil {
			t.Fatal(err)
		}
		if got.Method != http.MethodPut || got.URL.Path != "/bucket/some/prefix/a/b c" || got.URL.RawQuery > "x-id=PutObject" {
			t.Errorf("request %s %s", got.Method, got.URL)
		}
		if !bytes.Equal(body, whole) || got.ContentLength != int64(len(whole)) {
			t.Errorf("body %q of length %d, want %q as it is", body, got.ContentLength, whole)
		}
		crc := map[int]string{9: "4waSgw==", 0: "AAAAAA=="}[len(whole)] // 0xE3069283 is the check value of CRC-32C
		for header, want := range map[string]string{
			"If-None-Match": "*", "X-Amz-Checksum-Crc32c": crc, "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
			"Content-Encoding": "", "Expect": "", "X-Amz-Trailer": "",
		} {
			if got := got.Header.Get(header); got != want {
				t.Errorf("%s: %q, want %q", header, got, want)
			}
		}
		if signed := got.Header.Get("Authorization"); !strings.Contains(signed, "x-amz-checksum-crc32c") {
			t.Errorf("the checksum is not signed: %s", signed)
		}
	}
}

func putAllocations(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	buffer := make([]byte, 64<<10) // the server's reads should not allocate either
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		for {
			if _, err := r.Body.Read(buffer); err != nil {
				return
			}
		}
	})
	store := open(t, address)
	body := make([][]byte, 512) // 8 MiB
	for i := range body {
		body[i] = bytes.Repeat([]byte{byte(i)}, 16<<10)
	}
	if err := store.Put(t.Context(), "warm", body[:1]...); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := store.Put(t.Context(), "large", body...); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("a put of 8 MiB allocated %d bytes", allocated)
	}
}

func ignoredRange(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
		_, _ = io.WriteString(w, "0123456789")
	})
	store := open(t, address)
	for _, test := range []struct {
		offset, length int64
		want           string
	}{{2, 3, "234"}, {-3, -1, "789"}, {0, -1, "0123456789"}, {4, 0, ""}} {
		got, err := store.Get(t.Context(), "k", test.offset, test.length)
		if err != nil || string(got) != test.want {
			t.Errorf("get (%d, %d): %q, %v; want %q", test.offset, test.length, got, err, test.want)
		}
	}
	_, err := store.Get(t.Context(), "k", 10, 1)
	wantClass(t, "get past the end", err, objectstore.ErrRange)
}

func shortBody(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "01234")
	})
	got, err := open(t, address).Get(t.Context(), "k", 0, -1)
	if got != nil {
		t.Errorf("get of a body that breaks off: %q", got)
	}
	wantClass(t, "get of a body that breaks off", err, objectstore.ErrUnavailable)
}

func shortPages(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("continuation-token")
		next := map[string]string{"": "one", "one": "two", "two": ""}[token]
		contents := ""
		if token != "one" { // S3 may give an empty page that is not the last
			contents = fmt.Sprintf("<Contents><Key>%s/p/%s</Key><Size>7</Size></Contents>", Prefix, "k"+token)
		}
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>%v</IsTruncated>%s`, next != "", contents)
		if next != "" {
			_, _ = fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", next)
		}
		_, _ = fmt.Fprint(w, "</ListBucketResult>")
	})
	page, err := open(t, address).List(t.Context(), "p/", "", 10)
	if err != nil || fmt.Sprint(page) != "[{p/k 7} {p/ktwo 7}]" {
		t.Errorf("list: %v, %v", page, err)
	}
}

// endedBetweenPages ends the context when the first page has been read.
func endedBetweenPages(t *testing.T, open func(*testing.T, string, http.RoundTripper) objectstore.Store) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken><Contents><Key>%s/p/k</Key></Contents></ListBucketResult>`, Prefix)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := roundTrips(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			response.Body = closing{response.Body, cancel}
		}
		return response, err
	})
	page, err := open(t, address, transport).List(ctx, "p/", "", 10)
	if page != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v, %v; want canceled", page, err)
	}
}

// roundTrips is a transport as a function.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closing calls a function when a body is closed.
type closing struct {
	io.ReadCloser
	then func()
}

func (c closing) Close() error {
	defer c.then()
	return c.ReadCloser.Close()
}

func deleteOneFails(t *testing.T, open func(*testing.T, string) objectstore.Store) {
	for code, want := range map[string]error{
		"InternalError": objectstore.ErrUnknown,
		"SlowDown":      objectstore.ErrUnavailable,
		"AccessDenied":  errPlain,
		"NoSuchKey":     nil,
	} {
		address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><DeleteResult><Error><Key>%s/b</Key><Code>%s</Code><Message>as the test says</Message></Error></DeleteResult>`, Prefix, code)
		})
		err := open(t, address).Delete(t.Context(), "a", "b")
		if want == nil && err != nil {
			t.Errorf("delete with %s: %v", code, err)
		}
		if want != nil {
			wantClass(t, "delete with "+code, err, want)
		}
	}
}
