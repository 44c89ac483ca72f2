# PyMySQL and mysqlclient (MySQLdb). Arguments: host port user password schema.
import hashlib, os, sys, tempfile, threading, time
import pymysql, pymysql.cursors, MySQLdb, MySQLdb.cursors
from pymysql.constants import CLIENT

host, port, user, password, schema = sys.argv[1:]
BIG = b"0123456789abcdef" * (17 << 16)


def test(name, fn):
    try:
        fn()
        print(name + ": pass")
    except Exception as e:
        print("%s: %s: %s" % (name, type(e).__name__, e))


def check(got, want):
    if got != want:
        raise AssertionError("%.200r, want %.200r" % (got, want))


def library(lib, cursors, label):
    def connect(**more):
        return lib.connect(host=host, port=int(port), user=user, passwd=password, db=schema, charset="utf8mb4", **more)

    def types():
        cur = connect().cursor()
        cur.execute("SELECT 1, 1.5, CAST('1.50' AS DECIMAL(5,2)), 'ü', NULL, DATE'2026-11-21', TIMESTAMP'2026-11-21 01:02:03.5', X'00ff'")
        check([str(v) for v in cur.fetchone()], ["1", "1.5", "1.50", "ü", "None", "2026-11-21", "2026-11-21 01:02:03.500000", "b'\\x00\\xff'"])

    def transactions():
        c = connect()
        cur = c.cursor()
        cur.execute("CREATE OR REPLACE TABLE py_t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)")
        check(cur.executemany("INSERT INTO py_t (a) VALUES (%s)", [(i,) for i in range(2000)]), 2000)
        c.commit()
        cur.execute("DELETE FROM py_t")
        c.rollback()
        cur.execute("SELECT COUNT(*), SUM(a) FROM py_t")
        check([int(v) for v in cur.fetchone()], [2000, 1999000])
        cur.execute("ALTER TABLE py_t ADD INDEX (a)")
        try:
            cur.execute("INSERT INTO py_t VALUES (1, 1)")
        except lib.IntegrityError as e:
            check(e.args[0], 1062)
        else:
            raise AssertionError("no error")

    def streaming():
        cur = connect(cursorclass=cursors.SSCursor).cursor()
        cur.execute("SELECT seq, REPEAT('x', 500) FROM seq_1_to_30000")
        check(sum(1 for _ in cur), 30000)
        cur.execute("SELECT seq FROM seq_1_to_30000")
        cur.fetchone()
        cur.close()  # the rest is thrown away

    def multi():
        c = connect(client_flag=CLIENT.MULTI_STATEMENTS)
        cur = c.cursor()
        cur.execute("SELECT 1; SELECT 2, 3; DO 1; SELECT 4")
        seen = [cur.fetchall()]
        while cur.nextset():
            seen.append(tuple(cur.fetchall()))
        check(seen, [((1,),), ((2, 3),), (), ((4,),)])
        cur.execute("CREATE OR REPLACE PROCEDURE py_p(IN n INT) BEGIN SELECT n; SELECT n + 1; END")
        cur.callproc("py_p", (5,))
        check(cur.fetchall(), ((5,),))
        cur.nextset()
        check(cur.fetchall(), ((6,),))
        cur.close()

    def infile():
        c = connect(local_infile=1)
        cur = c.cursor()
        cur.execute("CREATE OR REPLACE TABLE py_l (id INT, a VARCHAR(40))")
        with tempfile.NamedTemporaryFile("w") as f:
            for i in range(40000):
                f.write("%d\tline %d\n" % (i, i))
            f.flush()
            check(cur.execute("LOAD DATA LOCAL INFILE '%s' INTO TABLE py_l" % f.name), 40000)
        try:
            cur.execute("LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE py_l")
        except Exception:
            pass
        else:
            raise AssertionError("no error")
        c.ping()

    def big():
        cur = connect().cursor()
        cur.execute("SELECT SHA1(%s), REPEAT('0123456789abcdef', 1114112)", (BIG.decode(),))
        got = cur.fetchone()
        check((got[0], len(got[1])), (hashlib.sha1(BIG).hexdigest(), len(BIG)))

    def kill():
        victim, killer = connect(), connect()
        outcome = []

        def sleep():
            try:
                victim.cursor().execute("SELECT SLEEP(20)")
                outcome.append("slept")
            except Exception as e:
                outcome.append(e.args[0])

        t = threading.Thread(target=sleep)
        t.start()
        cur = killer.cursor()
        for _ in range(200):
            cur.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s AND info LIKE '%%SLEEP(20)%%'", (victim.thread_id(),))
            if cur.fetchone()[0]:
                break
            time.sleep(0.02)
        cur.execute("KILL QUERY %d" % victim.thread_id())
        t.join(10)
        check(outcome, [1317])
        victim.ping()
        cur.execute("KILL %d" % victim.thread_id())
        time.sleep(0.2)
        try:
            victim.cursor().execute("SELECT 1")
        except Exception as e:
            check(e.args[0] in (2006, 2013), True)
        else:
            raise AssertionError("the connection lives")

    for fn in (types, transactions, streaming, multi, infile, big, kill):
        test(label + "." + fn.__name__, fn)


library(pymysql, pymysql.cursors, "pymysql")
library(MySQLdb, MySQLdb.cursors, "mysqlclient")


def change_user():
    c = MySQLdb.connect(host=host, port=int(port), user=user, passwd=password, db=schema)
    c.cursor().execute("SET @a = 1")
    c.change_user(user, password, schema)
    cur = c.cursor()
    cur.execute("SELECT @a")
    check(cur.fetchone(), (None,))
    cur.execute("SELECT 1")


test("mysqlclient.change_user", change_user)
