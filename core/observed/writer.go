// Package observed tells what was answered to an HTTP request.
//
// Owns: status and size of answers. Does not own: routes, and what becomes of the numbers.
package observed

import "net/http"

// Writer passes an answer on, and remembers how it was.
type Writer struct {
	http.ResponseWriter
	Bytes int64 // of the body

	status int
}

// Status is what was answered: 200 where the handler said nothing else.
func (w *Writer) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// WriteHeader implements http.ResponseWriter.
func (w *Writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *Writer) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.Bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
