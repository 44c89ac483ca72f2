<?php
// mysqli and PDO, both on mysqlnd. Arguments: host port user password schema.
[, $host, $port, $user, $password, $schema] = $argv;
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
ini_set('memory_limit', '512M');
$big = str_repeat('0123456789abcdef', 17 << 16);

function test(string $name, callable $fn): void {
	try {
		$fn();
		echo "$name: pass\n";
	} catch (Throwable $e) {
		echo "$name: ", get_class($e), ': ', $e->getMessage(), "\n";
	}
}

function check($got, $want): void {
	if ($got !== $want) {
		throw new Exception(substr(json_encode($got), 0, 200) . ', want ' . substr(json_encode($want), 0, 200));
	}
}

function connect(): mysqli {
	global $host, $port, $user, $password, $schema;
	$c = mysqli_init();
	$c->options(MYSQLI_OPT_LOCAL_INFILE, 1);
	$c->real_connect($host, $user, $password, $schema, (int)$port);
	$c->set_charset('utf8mb4');
	return $c;
}

test('mysqli.prepared', function () {
	$c = connect();
	$c->query('CREATE OR REPLACE TABLE php_t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40), d DOUBLE, b LONGBLOB)');
	$in = $c->prepare('INSERT INTO php_t (a, d, b) VALUES (?, ?, ?)');
	for ($i = 1; $i <= 200; $i++) {
		$in->execute(["row $i", (float)$i / 4, "\0" . chr($i) . "\xff"]);
	}
	check($c->insert_id, 200);
	$out = $c->prepare('SELECT a, d, b FROM php_t WHERE id = ?');
	for ($i = 1; $i <= 200; $i++) {
		$out->execute([$i]);
		check($out->get_result()->fetch_row(), ["row $i", (float)$i / 4, "\0" . chr($i) . "\xff"]);
	}
	$c->query('ALTER TABLE php_t ADD INDEX (a)');
	check((int)$c->query("SELECT COUNT(*) FROM php_t FORCE INDEX (a) WHERE a LIKE 'row%'")->fetch_row()[0], 200);
});
test('mysqli.cursor', function () {
	$c = connect();
	$s = $c->prepare('SELECT seq FROM seq_1_to_5000');
	$s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
	$s->attr_set(MYSQLI_STMT_ATTR_PREFETCH_ROWS, 1);
	$s->execute();
	$s->bind_result($v);
	$n = 0;
	while ($s->fetch()) {
		check($v, ++$n);
	}
	check($n, 5000);
	$s->close();
	check($c->query('SELECT 7')->fetch_row()[0], '7');
});
test('mysqli.long_data', function () use ($big) {
	$c = connect();
	$s = $c->prepare('INSERT INTO php_t (b) VALUES (?)');
	$null = null;
	$s->bind_param('b', $null);
	foreach (str_split($big, 1 << 20) as $piece) {
		$s->send_long_data(0, $piece);
	}
	$s->execute();
	check(sha1($c->query('SELECT b FROM php_t WHERE id = ' . $c->insert_id)->fetch_row()[0]), sha1($big));
});
test('mysqli.big', function () use ($big) {
	check(connect()->query("SELECT SHA1('$big')")->fetch_row()[0], sha1($big));
});
test('mysqli.results', function () {
	$c = connect();
	$c->multi_query('SELECT 1; SELECT 2, 3; DO 1; SELECT 4');
	$seen = [];
	do {
		$r = $c->store_result();
		$seen[] = $r ? $r->fetch_row() : null;
	} while ($c->more_results() && $c->next_result());
	check($seen, [['1'], ['2', '3'], null, ['4']]);
	$c->multi_query('SELECT 1; SELECT * FROM nowhere; SELECT 3');
	$c->store_result();
	try {
		$c->next_result();
		check('no error', '1146');
	} catch (mysqli_sql_exception $e) {
		check($e->getCode(), 1146);
	}
});
test('mysqli.unbuffered', function () {
	$c = connect();
	$r = $c->query("SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000", MYSQLI_USE_RESULT);
	for ($n = 0; $r->fetch_row(); $n++);
	check($n, 20000);
	$c->query('SELECT seq FROM seq_1_to_20000', MYSQLI_USE_RESULT)->free();
	check($c->query('SELECT 7')->fetch_row()[0], '7');
});
test('mysqli.async', function () {
	$all = [connect(), connect()];
	foreach ($all as $i => $c) {
		$c->query("SELECT SLEEP(0.1), $i", MYSQLI_ASYNC);
	}
	$done = 0;
	while ($done < 2) {
		$read = $error = $reject = $all;
		mysqli_poll($read, $error, $reject, 5);
		foreach ($read as $c) {
			$c->reap_async_query()->free();
			$done++;
			$all = array_filter($all, fn ($o) => $o !== $c);
		}
	}
});
test('mysqli.change_user', function () {
	global $user, $password, $schema;
	$c = connect();
	$c->query('SET @a = 1');
	for ($i = 0; $i < 3; $i++) {
		$c->change_user($user, $password, $schema);
	}
	check($c->query('SELECT @a')->fetch_row()[0], null);
	try {
		$c->change_user($user, 'wrong', $schema);
		check('no error', '1045');
	} catch (mysqli_sql_exception $e) {
		check($e->getCode(), 1045);
	}
});
test('mysqli.persistent', function () {
	global $host, $port, $user, $password, $schema;
	for ($i = 0; $i < 3; $i++) {
		$c = new mysqli("p:$host", $user, $password, $schema, (int)$port);
		check($c->query('SELECT @a')->fetch_row()[0], null);
		$c->query('SET @a = 1');
		$c->close();
	}
});
test('mysqli.kill', function () {
	[$victim, $killer] = [connect(), connect()];
	check((string)$victim->thread_id, $victim->query('SELECT CONNECTION_ID()')->fetch_row()[0]);
	$victim->query('SELECT SLEEP(20)', MYSQLI_ASYNC);
	usleep(100000);
	$killer->query("KILL QUERY $victim->thread_id");
	$began = microtime(true);
	try {
		$r = $victim->reap_async_query();
		$r->fetch_row();
	} catch (mysqli_sql_exception $e) {
		check($e->getCode(), 1317);
	}
	check(microtime(true) - $began < 5, true);
	$killer->query("KILL $victim->thread_id");
	usleep(200000);
	try {
		@$victim->query('SELECT 1');
		check('no error', '2006');
	} catch (mysqli_sql_exception $e) {
		check(in_array($e->getCode(), [2006, 2013]), true);
	}
});
test('mysqli.infile', function () {
	$c = connect();
	$c->query('CREATE OR REPLACE TABLE php_l (id INT, a VARCHAR(40))');
	$file = tempnam('/tmp', 'dxf');
	for ($i = 0, $text = ''; $i < 30000; $i++) {
		$text .= "$i\tline $i\n";
	}
	file_put_contents($file, $text);
	$c->query("LOAD DATA LOCAL INFILE '$file' INTO TABLE php_l");
	unlink($file);
	check($c->affected_rows, 30000);
});
test('mysqli.transactions', function () {
	$c = connect();
	$c->begin_transaction();
	$c->query('DELETE FROM php_t');
	$c->rollback();
	check((int)$c->query('SELECT COUNT(*) FROM php_t')->fetch_row()[0] >= 200, true);
	$c->autocommit(false);
	$c->query('DELETE FROM php_t WHERE id > 100');
	$c->commit();
	check($c->query('SELECT COUNT(*) FROM php_t')->fetch_row()[0], '100');
});

foreach (['emulated' => true, 'native' => false] as $how => $emulate) {
	test("pdo.$how", function () use ($emulate, $big) {
		global $host, $port, $user, $password, $schema;
		$db = new PDO("mysql:host=$host;port=$port;dbname=$schema", $user, $password, [PDO::ATTR_EMULATE_PREPARES => $emulate]);
		$s = $db->prepare('SELECT a, SHA1(?) FROM php_t WHERE id = ?');
		$s->execute([$big, 5]);
		check($s->fetch(PDO::FETCH_NUM), ['row 5', sha1($big)]);
		$s->closeCursor();
		$db->beginTransaction();
		$db->exec('DELETE FROM php_t');
		$db->rollBack();
		check((int)$db->query('SELECT COUNT(*) FROM php_t')->fetchColumn(), 100);
		try {
			$db->query('SELECT * FROM nowhere');
			check('no error', '42S02');
		} catch (PDOException $e) {
			check($e->getCode(), '42S02');
		}
	});
}
