package differential

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// versions asks what is served.
func (s *Session) versions() {
	s.every("plain", func(v int16) kmsg.Request {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "differential", "1"
		return req
	})
	s.between("names that are not allowed", 3, 1<<14, func(int16) kmsg.Request {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "a b", "-"
		return req
	})
	s.between("empty names", 3, 1<<14, func(int16) kmsg.Request { return kmsg.NewPtrApiVersionsRequest() })
	s.unknownVersion()
}

// unknownVersion asks ApiVersions in a version that nobody serves: the answer has the form of version 0.
func (s *Session) unknownVersion() {
	if s.open() != nil {
		return
	}
	newest := kmsg.NewPtrApiVersionsRequest()
	newest.Version = 3
	frame := s.conn.frame(newest)
	binary.BigEndian.PutUint16(frame[6:], 99)
	body, err := s.exchange(frame)
	if err != nil {
		s.note(kmsg.ApiVersions, "version 99", 0, connection, "closed")
		return
	}
	resp, err := s.conn.decode(kmsg.NewPtrApiVersionsRequest(), body)
	s.keep("version 99", kmsg.NewPtrApiVersionsRequest(), resp, err)
}

func (s *Session) exchange(frame []byte) ([]byte, error) {
	if _, err := s.conn.Write(frame); err != nil {
		s.close()
		return nil, err
	}
	body, err := s.conn.read(answerMax)
	if err != nil {
		s.close()
	}
	return body, err
}

// frames sends what is no request, and looks at what becomes of the connection.
func (s *Session) frames() {
	header := func(key, version int16) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		b = binary.BigEndian.AppendUint32(b, 7)
		return append(b, 0xff, 0xff) // no client id
	}
	sized := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	defer s.pipelined()
	defer s.unknownTags()
	if s.Tame {
		return
	}
	for _, one := range []struct {
		op    string
		bytes []byte
	}{
		{"a negative size", []byte{0xff, 0xff, 0xff, 0xff}},
		{"a size above the limit", []byte{0x7f, 0xff, 0xff, 0xff}},
		{"an empty frame", sized(nil)},
		{"half a header", sized([]byte{0, 3, 0})},
		{"an unknown key", sized(header(9999, 0))},
		{"a version above the newest", sized(header(kmsg.Metadata.Int16(), 99))},
		{"a negative version", sized(header(kmsg.Metadata.Int16(), -1))},
		{"a body that ends too soon", sized(append(header(kmsg.Metadata.Int16(), 1), 0, 0))},
		{"a list with an impossible length", sized(append(header(kmsg.Metadata.Int16(), 1), 0x7f, 0xff, 0xff, 0xff))},
		{"an old Fetch", sized(header(kmsg.Fetch.Int16(), 0))},
	} {
		s.note(kmsg.Metadata, "frame: "+one.op, 0, connection, s.fate(one.bytes))
	}
	s.note(kmsg.Metadata, "frame: bytes after the last field", 1, connection, s.fate(sized(append(header(kmsg.Metadata.Int16(), 1), 0, 0, 0, 0, 1, 2, 3))))
}

// fate sends bytes on a connection of their own.
func (s *Session) fate(bytes []byte) string {
	c, err := dial(s.address)
	if err != nil {
		s.err = err
		return ""
	}
	defer c.Close()
	if _, err := c.Write(bytes); err != nil {
		return "closed"
	}
	_, err = c.read(2 * time.Second)
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, errSilent):
		return "open"
	}
	return "closed"
}

// pipelined sends requests without waiting; the answers come in their order, a slow one first.
func (s *Session) pipelined() {
	s.topic("pipelined", 1)
	if s.open() != nil {
		return
	}
	slow := s.fetchOf("pipelined", 0, 0, 1<<20)
	slow.MaxWaitMillis, slow.MinBytes = 300, 1
	slow.SetVersion(min(12, s.served[slow.Key()].Max))
	bytes := s.conn.frame(slow)
	for range 3 {
		bytes = append(bytes, s.conn.frame(kmsg.NewPtrApiVersionsRequest())...)
	}
	if _, err := s.conn.Write(bytes); err != nil {
		s.err = err
		return
	}
	order := ""
	for range 4 {
		body, err := s.conn.read(answerMax)
		if err != nil {
			s.close()
			break
		}
		order += fmt.Sprintf(" %d", int32(binary.BigEndian.Uint32(body))-s.conn.correlation)
	}
	s.note(kmsg.Fetch, "pipelined before others", 12, "order", order)
}

// unknownTags sends tagged fields that nobody knows: they are skipped.
func (s *Session) unknownTags() {
	s.between("unknown tags", 9, 1<<14, func(int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{}
		req.UnknownTags.Set(77, []byte("unknown"))
		return req
	})
}
