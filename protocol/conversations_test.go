package protocol

import "encoding/binary"

// conversations are what the golden traces hold. Each starts in an empty schema
// named trace, and runs once for every set of capabilities.
var conversations = []struct {
	name string
	talk func(c *rawClient)
}{
	{"text", func(c *rawClient) {
		c.must("SELECT 1 AS one, NULL AS nothing, 'text' AS text")
		c.must("SELECT seq FROM seq_1_to_3")
		c.must("SELECT 1 FROM DUAL WHERE FALSE")
		c.must("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(10)) ENGINE=InnoDB")
		c.must("INSERT INTO t VALUES (1, 'x'), (2, NULL)")
		c.query("INSERT INTO t VALUES (1, 'again')")
		c.must("BEGIN")
		c.must("SELECT * FROM t")
		c.must("COMMIT")
		c.must("SELECT 1 UNION SELECT 1/0")
		c.query("nonsense")
		c.query("")
		c.must("SELECT JSON_OBJECT('a', 1), ST_GeomFromText('POINT(1 1)')")
		c.must("DROP TABLE t")
	}},
	{"multi", func(c *rawClient) {
		c.must("SELECT 1; SELECT 2")
		c.must("SET @a = 1; SELECT @a; SET @a = 2")
		c.query("SELECT 1; nonsense; SELECT 3")
		c.must("CREATE PROCEDURE p(OUT x INT) BEGIN SELECT 1; SELECT 2, 3; SET x = 7; END")
		c.must("CALL p(@x)")
		c.query("CALL nowhere()")
		c.must("DROP PROCEDURE p")
	}},
	{"halfway", func(c *rawClient) { // an error where rows were promised
		c.query("SELECT seq, CAST(IF(seq < 3, seq, EXP(seq * 1000)) AS DOUBLE) FROM seq_1_to_5")
		c.query("SELECT seq, (SELECT 1 UNION SELECT seq FROM DUAL WHERE seq > 3) FROM seq_1_to_5")
		c.query("SELECT SLEEP(0); SELECT (SELECT 1 UNION SELECT 2)")
	}},
	{"prepared", func(c *rawClient) {
		id := c.prepare("SELECT seq, 'a' FROM seq_1_to_2")
		c.execute(id, 0)
		c.execute(id, 0)
		c.execute(lastPreparedID, 0)
		c.send(comStmtReset, binary.LittleEndian.AppendUint32(nil, id)...)
		c.response(respOne)
		c.send(comStmtClose, binary.LittleEndian.AppendUint32(nil, id)...)
		c.execute(id, 0)
		id = c.prepare("SET @a = 1")
		c.execute(id, 0)
		c.prepare("SELECT ? + 1, ?")
		c.prepare("SET @b = ?")
		c.sendText(comStmtPrepare, "nonsense")
		c.response(respPrepare)
		c.must("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2, 3; END")
		id = c.prepare("CALL p()")
		c.execute(id, 0)
		c.must("DROP PROCEDURE p")
	}},
	{"cursor", func(c *rawClient) {
		id := c.prepare("SELECT seq FROM seq_1_to_5")
		c.execute(id, 1)
		for range 4 {
			c.send(comStmtFetch, append(binary.LittleEndian.AppendUint32(nil, id), 2, 0, 0, 0)...)
			c.response(respRows)
		}
		c.execute(id, 1)
		c.send(comStmtReset, binary.LittleEndian.AppendUint32(nil, id)...)
		c.response(respOne)
		c.send(comStmtFetch, append(binary.LittleEndian.AppendUint32(nil, id), 2, 0, 0, 0)...)
		c.response(respRows)
	}},
	{"procedure", func(c *rawClient) { // its own cursors raise the flag of the client's
		c.must(`CREATE PROCEDURE p() BEGIN
			DECLARE x INT; DECLARE k CURSOR FOR SELECT seq FROM seq_1_to_2;
			OPEN k; FETCH k INTO x; SELECT x; FETCH k INTO x; SELECT x; CLOSE k; END`)
		c.must("CALL p()")
		id := c.prepare("CALL p()")
		c.execute(id, 0)
		c.execute(id, 1)
		c.must("DROP PROCEDURE p")
	}},
	{"upload", func(c *rawClient) {
		c.must("CREATE TABLE t (a INT, b VARCHAR(10)) ENGINE=InnoDB")
		c.sendText(comQuery, "LOAD DATA LOCAL INFILE 'file.tsv' INTO TABLE t")
		c.response(respQuery)
		c.write(2, []byte("1\tone\n2\ttwo\n"))
		c.write(3, []byte("3\tthree\n"))
		c.write(4, nil)
		c.response(respQuery)
		c.sendText(comQuery, "LOAD DATA LOCAL INFILE 'refused.tsv' INTO TABLE t; SELECT COUNT(*) FROM t")
		c.response(respQuery)
		c.write(2, nil)
		c.response(respQuery)
		c.sendText(comQuery, "LOAD DATA LOCAL INFILE 'nowhere.tsv' INTO TABLE nowhere")
		c.response(respQuery)
		c.must("DROP TABLE t")
	}},
	{"commands", func(c *rawClient) {
		c.must("CREATE TABLE t (a INT PRIMARY KEY DEFAULT 7, b VARCHAR(10)) ENGINE=InnoDB")
		c.sendText(0x02, "trace")
		c.response(respOne)
		c.sendText(0x02, "nowhere")
		c.response(respOne)
		c.sendText(comFieldList, "t\x00")
		c.response(respRows)
		c.sendText(comFieldList, "nowhere\x00")
		c.response(respRows)
		c.send(comStatistics)
		c.response(respString)
		c.send(comProcessInfo)
		c.response(respQuery)
		c.send(comPing)
		c.response(respOne)
		c.send(0x0d)
		c.response(respOne)
		c.send(comSetOption, 1, 0)
		c.response(respOne)
		c.query("SELECT 1; SELECT 2")
		c.send(comSetOption, 0, 0)
		c.response(respOne)
		c.send(comSetOption, 9, 0)
		c.response(respOne)
		c.send(comResetConnection)
		c.response(respOne)
		c.send(0x77)
		c.response(respOne)
		c.write(0, nil)
		c.response(respOne)
		c.must("DROP TABLE trace.t")
	}},
	{"progress", func(c *rawClient) {
		c.must("SET progress_report_time = 1")
		c.must("CREATE TABLE t ENGINE=MyISAM SELECT seq AS a, MD5(seq) AS b FROM seq_1_to_600000")
		c.must("ALTER TABLE t ADD KEY (b), ADD KEY (a, b), ADD KEY (b, a)")
		c.must("DROP TABLE t")
	}},
	{"bulk", func(c *rawClient) {
		if !c.caps.Has(MariaDBClientStmtBulk) {
			return
		}
		c.must("CREATE TABLE t (a INT) ENGINE=InnoDB")
		id := c.prepare("INSERT INTO t VALUES (?)")
		// Types follow (0x80), then rows: an indicator (0: a value) and the value.
		b := append(binary.LittleEndian.AppendUint32(nil, id), 0x80, 0, 3, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0)
		c.send(comStmtBulkExecute, b...)
		c.response(respQuery)
		id = c.prepare("INSERT INTO t VALUES (?) RETURNING a")
		binary.LittleEndian.PutUint32(b, id)
		c.send(comStmtBulkExecute, b...)
		c.response(respQuery)
		c.must("DROP TABLE t")
	}},
}

var traceClients = []struct {
	name string
	caps Capability
}{{"pymysql", capsPyMySQL}, {"mysql", capsMySQL}, {"godriver", capsGoDriver}, {"libmariadb", capsLibMariaDB}, {"everything", capsEverything}}
