//go:build !linux

package disk

// WriteChunks writes one chunk after the other.
func (f osFile) WriteChunks(chunks [][]byte) error {
	for _, chunk := range chunks {
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}
