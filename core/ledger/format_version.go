//go:build !nextformat

package ledger

// FormatVersion is the newest version of records under log/ that this build knows, and that of clusters it creates.
const FormatVersion = 1
