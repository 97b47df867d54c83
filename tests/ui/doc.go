// Package ui tests what people administer Kafka with, against firnlog dev: Kaskade, a user interface in the terminal, whose
// screens are read through tmux; and all of Java's Admin.
//
// Owns: the screens and the tour. Does not own: Kafka's command-line tools (tests/apachekafka).
package ui
