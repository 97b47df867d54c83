//go:build nextformat

package ledger

// FormatVersion of a build that is one version ahead, for tests of upgrades alone: its records differ from those of version 1 by
// nothing but the version that they carry.
const FormatVersion = 2
