// Package sqltext is the text of SQL statements: it says what a statement is, reads the
// ones that are ours, and writes others anew. It knows nothing of sessions, stores and
// jobs: what a statement is answered with is sqlhandler's.
//
// Match looks at the first words of every statement that is relayed and costs nothing;
// Classify cuts the few that it picks into tokens and says what they are. Neither
// follows more than a bounded text, for everybody may send one.
package sqltext
