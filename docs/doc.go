// Package docs is the manual: a page for each subject, and the pictures of these, of
// README.md and of ARCHITECTURE.md.
//
// It has tests only. They run every block of shell and SQL that README.md and the
// pages show, in the order of a reader who begins with README.md, and compare what the
// pages say comes back; and they hold the lists of flags, variables, packages and
// imports against the code. See CONTRIBUTING.md for how a block says what it needs.
package docs
