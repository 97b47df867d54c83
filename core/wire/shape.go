package wire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kbin"
)

// A shape is the outline of a request's body, with which its bytes are walked before the codec
// parses them. The codec believes counts: a tag section of five bytes that claims four
// billion tags keeps it busy for a minute, and empty elements of a large array become structs
// of a hundred times their size. The walk visits each byte once and takes no memory.
//
// Outlines are written as text, the fields in their order:
//
//	b h i l   1, 2, 4, 8 bytes        u      UUID
//	s         string, may be null     B      bytes, may be null
//	[ … ]     array of structs        ( x )  array of one simple field
//	{ … }     struct that may be null
//	3+s  -12s  8-10b                  only from, up to, within these versions
//
// In flexible versions every struct ends with tagged fields.
type shape []field

type field struct {
	kind        byte
	since, last int16
	inner       shape
}

// parseShape reads an outline; a mistake in one is a bug, and a test reads them all.
func parseShape(text string) shape {
	p := &outline{text: strings.ReplaceAll(text, " ", "")}
	s := p.fields(0)
	if p.text != "" {
		panic("outline goes on after its end: " + p.text)
	}
	return s
}

type outline struct{ text string }

func (p *outline) next() byte {
	c := p.text[0]
	p.text = p.text[1:]
	return c
}

// fields reads up to the closing byte, or the end when it is 0.
func (p *outline) fields(end byte) (out shape) {
	closing := map[byte]byte{'[': ']', '(': ')', '{': '}'}
	for p.text != "" {
		f := field{since: 0, last: 1<<15 - 1}
		if n, ok := p.number(); ok {
			f.since = n
			if p.next() == '-' {
				f.last, _ = p.number()
			}
		} else if p.text[0] == '-' {
			p.next()
			f.last, _ = p.number()
		}
		f.kind = p.next()
		if f.kind == end {
			return out
		}
		if c, ok := closing[f.kind]; ok {
			f.inner = p.fields(c)
		} else if !strings.ContainsRune("bhilusB", rune(f.kind)) {
			panic("outline with an unknown field: " + string(f.kind))
		}
		out = append(out, f)
	}
	return out
}

func (p *outline) number() (n int16, ok bool) {
	for p.text != "" && '0' <= p.text[0] && p.text[0] <= '9' {
		n = n*10 + int16(p.next()-'0')
		ok = true
	}
	return n, ok
}

// walk is one pass over a body.
type walk struct {
	kbin.Reader
	version  int16
	flexible bool
	noTags   []uint32 // tags that are refused at the top
	elements int      // arrays' elements and tags seen so far
}

// check walks a body. elements is how many structs and tags a parse would make.
func (s shape) check(body []byte, version int16, flexible bool, noTags ...uint32) (elements int, err error) {
	w := &walk{Reader: kbin.Reader{Src: body}, version: version, flexible: flexible, noTags: noTags}
	w.fields(s)
	w.tags(true)
	if err := w.Complete(); err != nil {
		return 0, fmt.Errorf("%w: %w", errFrame, err)
	}
	return w.elements, nil
}

func (w *walk) fields(s shape) {
	for i := range s {
		f := &s[i]
		if w.version >= f.since && w.version <= f.last && w.Ok() {
			w.field(f)
		}
	}
}

func (w *walk) field(f *field) {
	switch f.kind {
	case 'b':
		w.Span(1)
	case 'h':
		w.Span(2)
	case 'i':
		w.Span(4)
	case 'l':
		w.Span(8)
	case 'u':
		w.Span(16)
	case 's', 'B':
		w.Span(w.length(f.kind))
	case '[':
		for n := w.count(); n > 0 && w.Ok(); n-- {
			w.fields(f.inner)
			w.tags(false)
		}
	case '(':
		for n := w.count(); n > 0 && w.Ok(); n-- {
			w.field(&f.inner[0])
		}
	case '{':
		if w.Int8() >= 0 {
			w.fields(f.inner)
			w.tags(false)
		}
	}
}

// length reads that of a string or of bytes; null is 0.
func (w *walk) length(kind byte) int {
	switch {
	case w.flexible:
		return max(int(w.Uvarint())-1, 0)
	case kind == 's':
		return max(int(w.Int16()), 0)
	}
	return max(int(w.Int32()), 0)
}

// count reads that of an array. The reader refuses one that is above the bytes left.
func (w *walk) count() int {
	n := w.ArrayLen
	if w.flexible {
		n = w.CompactArrayLen
	}
	count := int(n())
	w.elements += max(count, 0)
	return count
}

// tags passes over tagged fields.
func (w *walk) tags(top bool) {
	if !w.flexible {
		return
	}
	for n := w.Uvarint(); n > 0 && w.Ok(); n-- {
		w.elements++
		if tag := w.Uvarint(); top && slices.Contains(w.noTags, tag) {
			w.Span(-1) // fails the walk
		}
		w.Span(int(w.Uvarint()))
	}
}
