// Package changefeed keeps the shadow table of a job in step with the user's
// table, from the row binlog.
//
// # One applier for each feed
//
// A feed is a row of the table changefeed: a position in the binlog, up to which
// every change of the user's table is in the shadow. Every node runs a [Manager];
// whoever claims a feed runs its applier. The claim is a lease with an epoch, and
// each transaction of the applier checks the epoch, and writes changes and position
// together ([Store.CommitFeed]); the exception is below. So a change is applied
// exactly once whatever dies, and an applier that was frozen and comes back can
// commit nothing: its epoch is over, and the server has cut its open transaction
// after 10 s.
//
// # From events to windows
//
// The reader ([reader]) turns events into whole source transactions. Rows of other
// tables (most of the stream is our own writing to shadows) are never decoded.
// Rows of the table become SQL text at once, one text for the key and one for the
// row, and that text is all that is kept of them.
//
// A window is a run of whole transactions, at most some 2000 changes or 200 ms
// long, and ends at once when nothing more can be read: an idle feed applies a
// change as soon as it arrives, a busy one grows its windows by itself. Of each key
// only two things are kept: whether the row existed when the window began, and its
// final image. A window is one transaction in the store, as a rule.
//
// A window that is full tells that the feed is behind. It is applied on several
// sessions ([lanes]): all removals, then all images, then the position, each lane in
// transactions of its own that end before anybody else can hold the feed
// ([Store.FenceFeed]). One session alone has too small a share of the store's
// processors to keep up with the many that write. In strict mode, where nothing may be
// done twice, the store knows where such a window ends ([Store.OpenWindow]); whoever
// finds it open collects the same window, removes all rows of it that may be there,
// and writes its images, in one transaction.
//
// Keys are told apart by their bytes. Where a collation says that two keys are one
// ('a' and 'A'), the window deletes first and writes afterwards, so that the order
// of the two texts does not matter.
//
// # Two modes
//
// While rows are copied (dxf.FeedMerge) changes are DELETE and REPLACE. The shadow
// has only the copy key then, and everything may be repeated. After the indexes
// are built (dxf.FeedStrict) a window deletes exactly the rows that existed, which
// the server must count the same, and inserts the final images. At the end of a
// source transaction these satisfy the source's constraints, so error 1062 can
// only come from a unique index that the job adds: it is the user's duplicate.
//
// # Control
//
// Markers are rows inserted into changefeed_marker. The applier meets them in the
// binlog, behind everything that was committed before them, and acknowledges them
// in the transaction that applies all of it. Some markers also stop it (paused,
// sealed). Nothing is timed, compared or asked of the server for this.
//
// # XA
//
// A prepared XA transaction is in the binlog before it is decided. Its rows are
// kept under its id and take effect at XA COMMIT. As long as one that touched the
// table is undecided the position stays in front of it; in strict mode, where
// nothing may be read twice, the window stays open instead. An XA COMMIT without a
// known beginning was prepared before the feed began, and the locking copy has
// waited for its rows.
//
// # What cannot be seen
//
// Statement-format events that name the table end the job, and so does one that may
// have reached it by a view, a trigger or a stored function: all that it names must be
// tables that nothing hangs on ([reach]). Changes that leave no trace (sql_log_bin=0,
// foreign-key cascades, what a replica with log_slave_updates=OFF is told) are for the
// preflight to refuse and for the verification to find.
//
// # One server
//
// A position means something to one server alone. The feed's row names it, and who has
// begun the file that is being read, and when ([markOf]). Every session of a feed is
// asked who it is with, and so are those of the exchange: after a failover the rows copied
// and those that are there may be of different moments, and the job ends.
package changefeed
