// Package ui tests what people administer Kafka with, against firnlog dev: Kaskade, a user interface in the terminal, whose
// screens are read through tmux; all of Java's Admin; and the web console, in chromium.
//
// Owns: the screens, the tour and the browser. Does not own: Kafka's command-line tools (tests/apachekafka).
package ui
