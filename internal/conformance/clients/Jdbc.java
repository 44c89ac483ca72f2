import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.*;
import java.util.Arrays;
import java.util.HexFormat;

/** MariaDB Connector/J. Arguments: host port user password schema. */
public class Jdbc {
	interface Body { void run() throws Exception; }

	static String[] args;
	static byte[] big = "0123456789abcdef".repeat(17 << 16).getBytes(StandardCharsets.US_ASCII);

	static Connection connect(String options) throws SQLException {
		return DriverManager.getConnection("jdbc:mariadb://" + args[0] + ":" + args[1] + "/" + args[4]
			+ "?user=" + args[2] + "&password=" + args[3] + "&maxAllowedPacket=67108864" + options);
	}

	static void test(String name, Body body) {
		try {
			body.run();
			System.out.println(name + ": pass");
		} catch (Throwable e) {
			System.out.println(name + ": " + String.valueOf(e).lines().findFirst().orElse("").replaceAll("conn=\\d+", "conn=N"));
		}
	}

	static void check(Object got, Object want) {
		if (!String.valueOf(got).equals(String.valueOf(want))) {
			throw new AssertionError(got + ", want " + want);
		}
	}

	static String sha1(byte[] b) throws Exception {
		return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(b));
	}

	static Object one(Connection c, String query) throws SQLException {
		try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(query)) {
			r.next();
			return r.getObject(1);
		}
	}

	public static void main(String[] a) {
		args = a;
		for (String how : new String[] {
				"", "&useServerPrepStmts=true", "&useServerPrepStmts=true&cachePrepStmts=false", "&rewriteBatchedStatements=true",
				"&useBulkStmts=true&useServerPrepStmts=true", "&useBatchMultiSend=true&useServerPrepStmts=true", "&useBatchMultiSend=false&useBulkStmts=false" }) {
			test("jdbc.batch" + how, () -> batch(how));
		}
		test("jdbc.cursor", Jdbc::cursor);
		test("jdbc.transactions", Jdbc::transactions);
		test("jdbc.results", Jdbc::results);
		test("jdbc.big", Jdbc::big);
		test("jdbc.infile", Jdbc::infile);
		test("jdbc.cancel", Jdbc::cancel);
		test("jdbc.errors", Jdbc::errors);
	}

	static void batch(String how) throws Exception {
		try (Connection c = connect(how); Statement s = c.createStatement()) {
			s.execute("CREATE OR REPLACE TABLE j_t (id INT PRIMARY KEY, a VARCHAR(40), b BLOB)");
			try (PreparedStatement p = c.prepareStatement("INSERT INTO j_t VALUES (?, ?, ?)")) {
				for (int i = 0; i < 5000; i++) {
					p.setInt(1, i);
					p.setString(2, i % 3 == 0 ? null : "row " + i);
					p.setBytes(3, new byte[] {0, (byte) i});
					p.addBatch();
				}
				check(p.executeBatch().length, 5000);
			}
			try (PreparedStatement p = c.prepareStatement("SELECT a, b FROM j_t WHERE id = ?")) {
				for (int i = 1; i < 300; i += 3) {
					p.setInt(1, i);
					try (ResultSet r = p.executeQuery()) {
						r.next();
						check(r.getString(1) + Arrays.toString(r.getBytes(2)), "row " + i + Arrays.toString(new byte[] {0, (byte) i}));
					}
				}
			}
			s.execute("ALTER TABLE j_t ADD INDEX (a)");
			check(one(c, "SELECT COUNT(*) FROM j_t"), 5000);
		}
	}

	static void cursor() throws Exception {
		try (Connection c = connect("&useServerPrepStmts=true"); Statement s = c.createStatement()) {
			s.setFetchSize(50);
			try (ResultSet r = s.executeQuery("SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000")) {
				int n = 0;
				while (r.next()) {
					check(r.getInt(1), ++n);
				}
				check(n, 20000);
			}
			try (ResultSet r = s.executeQuery("SELECT seq FROM seq_1_to_20000")) {
				r.next();
			}
			check(one(c, "SELECT 7"), 7);
		}
	}

	static void transactions() throws Exception {
		try (Connection c = connect("")) {
			c.setAutoCommit(false);
			c.createStatement().executeUpdate("DELETE FROM j_t");
			c.rollback();
			check(one(c, "SELECT COUNT(*) FROM j_t"), 5000);
			Savepoint p = c.setSavepoint();
			c.createStatement().executeUpdate("DELETE FROM j_t WHERE id < 10");
			c.rollback(p);
			c.commit();
			check(one(c, "SELECT COUNT(*) FROM j_t"), 5000);
		}
	}

	static void results() throws Exception {
		try (Connection c = connect("&allowMultiQueries=true"); Statement s = c.createStatement()) {
			StringBuilder seen = new StringBuilder();
			boolean rows = s.execute("SELECT 1; DO 1; SELECT 2; SELECT 3");
			while (rows || s.getUpdateCount() != -1) {
				if (rows) {
					ResultSet r = s.getResultSet();
					r.next();
					seen.append(r.getInt(1));
				} else {
					seen.append('-');
				}
				rows = s.getMoreResults();
			}
			check(seen, "1-23");
			s.execute("CREATE OR REPLACE PROCEDURE j_p(IN a INT, OUT b INT) BEGIN SET b = a + 1; SELECT a; END");
			try (CallableStatement call = c.prepareCall("{call j_p(?, ?)}")) {
				call.setInt(1, 4);
				call.registerOutParameter(2, Types.INTEGER);
				call.execute();
				check(call.getInt(2), 5);
			}
		}
	}

	static void big() throws Exception {
		for (String how : new String[] {"", "&useServerPrepStmts=true"}) {
			try (Connection c = connect(how); PreparedStatement p = c.prepareStatement("SELECT SHA1(?), REPEAT('0123456789abcdef', 1114112)")) {
				p.setBinaryStream(1, new ByteArrayInputStream(big));
				try (ResultSet r = p.executeQuery()) {
					r.next();
					check(r.getString(1), sha1(big));
					check(sha1(r.getBytes(2)), sha1(big));
				}
			}
		}
	}

	static void infile() throws Exception {
		Path file = Files.createTempFile("dxf", ".tsv");
		try (Connection c = connect("&allowLocalInfile=true"); Statement s = c.createStatement()) {
			StringBuilder text = new StringBuilder();
			for (int i = 0; i < 20000; i++) {
				text.append(i).append("\tline ").append(i).append('\n');
			}
			Files.writeString(file, text);
			s.execute("CREATE OR REPLACE TABLE j_l (id INT, a VARCHAR(40))");
			check(s.executeUpdate("LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE j_l"), 20000);
		} finally {
			Files.delete(file);
		}
	}

	static void cancel() throws Exception {
		try (Connection c = connect(""); Statement s = c.createStatement()) {
			Thread t = new Thread(() -> {
				try {
					Thread.sleep(300);
					s.cancel();
				} catch (Exception e) {
					System.out.println(e);
				}
			});
			t.start();
			long began = System.nanoTime();
			try {
				s.executeQuery("SELECT SLEEP(20)");
				throw new AssertionError("not cancelled");
			} catch (SQLException e) {
				check(e.getErrorCode(), 1317);
			}
			t.join();
			check(System.nanoTime() - began < 10_000_000_000L, true);
			s.setQueryTimeout(1);
			try {
				s.executeQuery("SELECT SLEEP(20)");
				throw new AssertionError("no time-out");
			} catch (SQLTimeoutException e) {
				check(e.getErrorCode(), 1969);
			}
			check(one(c, "SELECT 7"), 7);
		}
	}

	static void errors() throws Exception {
		try (Connection c = connect(""); Statement s = c.createStatement()) {
			try {
				s.executeQuery("SELECT * FROM nowhere");
				throw new AssertionError("no error");
			} catch (SQLException e) {
				check(e.getErrorCode() + " " + e.getSQLState(), "1146 42S02");
			}
			s.execute("SELECT CAST('x' AS INT)");
			check(s.getWarnings().getErrorCode(), 1292);
		}
	}
}
