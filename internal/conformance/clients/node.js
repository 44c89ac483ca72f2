// mysql2 and mariadb from npm. Arguments: host port user password schema.
const crypto = require('crypto'), fs = require('fs'), os = require('os'), path = require('path');
const mysql2 = require('mysql2/promise'), mysql2cb = require('mysql2'), mariadb = require('mariadb');
const [host, port, user, password, database] = process.argv.slice(2);
const config = { host, port: Number(port), user, password, database };
const big = Buffer.alloc(17 << 20, '0123456789abcdef');
const sha1 = (b) => crypto.createHash('sha1').update(b).digest('hex');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const tests = [];
const test = (name, fn) => tests.push([name, fn]);
function check(got, want) {
  const [g, w] = [got ?? null, want].map((v) => JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? Number(x) : x)));
  if (g !== w) throw new Error(`${g.slice(0, 200)}, want ${w.slice(0, 200)}`);
}
async function fails(promise, errno) {
  try { await promise; } catch (e) { return check(e.errno, errno); }
  throw new Error('no error');
}
function file(lines) {
  const name = path.join(os.tmpdir(), `dxf-${process.pid}.tsv`);
  fs.writeFileSync(name, Array.from({ length: lines }, (_, i) => `${i}\tline ${i}\n`).join(''));
  return name;
}

async function withMysql2(fn, more = {}) {
  const c = await mysql2.createConnection({ ...config, ...more });
  try { await fn(c); } finally { c.destroy(); }
}
test('mysql2.prepared', () => withMysql2(async (c) => {
  await c.query('CREATE OR REPLACE TABLE js_t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40), b LONGBLOB)');
  for (let i = 1; i <= 100; i++) {
    const [r] = await c.execute('INSERT INTO js_t (a, b) VALUES (?, ?)', [`row ${i}`, Buffer.from([0, i, 255])]);
    check(r.insertId, i);
  }
  for (let i = 1; i <= 100; i++) {
    const [[row]] = await c.execute('SELECT a, b FROM js_t WHERE id = ?', [i]);
    check([row.a, [...row.b]], [`row ${i}`, [0, i, 255]]);
  }
  await c.query('ALTER TABLE js_t ADD INDEX (a)');
  await fails(c.execute('SELECT * FROM nowhere'), 1146);
  await fails(c.query('INSERT INTO js_t (id) VALUES (1)'), 1062);
}));
test('mysql2.queued', () => withMysql2(async (c) => {
  const all = await Promise.all(Array.from({ length: 300 }, (_, i) => c.query('SELECT ? AS n', [i])));
  check(all.map(([[row]]) => row.n), Array.from({ length: 300 }, (_, i) => i));
}));
test('mysql2.multiple', () => withMysql2(async (c) => {
  const [r] = await c.query('SELECT 1 AS a; DO 1; SELECT 2 AS b');
  check([r[0], r[2]], [[{ a: 1 }], [{ b: 2 }]]);
}, { multipleStatements: true }));
test('mysql2.big', () => withMysql2(async (c) => {
  const [[row]] = await c.query('SELECT SHA1(?) AS s, REPEAT(?, 1114112) AS r', [big.toString(), '0123456789abcdef']);
  check([row.s, sha1(row.r)], [sha1(big), sha1(big)]);
  const [r] = await c.execute('INSERT INTO js_t (b) VALUES (?)', [big]);
  const [[stored]] = await c.execute('SELECT b FROM js_t WHERE id = ?', [r.insertId]);
  check(sha1(stored.b), sha1(big));
}));
test('mysql2.streaming', () => new Promise((done, fail) => {
  const c = mysql2cb.createConnection(config);
  let n = 0;
  c.query("SELECT seq, REPEAT('x', 500) AS x FROM seq_1_to_20000").stream({ highWaterMark: 5 })
    .on('data', () => n++).on('error', fail)
    .on('end', () => { c.destroy(); try { check(n, 20000); done(); } catch (e) { fail(e); } });
}));
test('mysql2.change_user', () => withMysql2(async (c) => {
  await c.query('SET @a = 1');
  await c.changeUser({ user, password, database });
  const [[row]] = await c.query('SELECT @a AS a');
  check(row.a, null);
  await fails(c.changeUser({ user, password: 'wrong', database }), 1045);
}));
test('mysql2.reset', () => withMysql2(async (c) => {
  await c.query('SET @a = 1');
  await c.connection.promise().reset?.();
  await c.ping();
}));
test('mysql2.infile', () => withMysql2(async (c) => {
  await c.query('CREATE OR REPLACE TABLE js_l (id INT, a VARCHAR(40))');
  const name = file(20000);
  const [r] = await c.query({ sql: `LOAD DATA LOCAL INFILE '${name}' INTO TABLE js_l`, infileStreamFactory: (p) => fs.createReadStream(p) });
  check(r.affectedRows, 20000);
}));
test('mysql2.kill', () => withMysql2(async (c) => withMysql2(async (killer) => {
  const [[{ id }]] = await c.query('SELECT CONNECTION_ID() AS id');
  check(id, c.threadId);
  const victim = c.query('SELECT SLEEP(20)').then(() => 0, (e) => e.errno);
  await sleep(200);
  await killer.query(`KILL QUERY ${id}`);
  check(await victim, 1317);
  c.on('error', () => {});
  await killer.query(`KILL ${id}`);
  await sleep(200);
  check(await c.query('SELECT 1').then(() => 'alive', () => 'gone'), 'gone');
})));

async function withMariadb(fn, more = {}) {
  const c = await mariadb.createConnection({ ...config, insertIdAsNumber: true, bigIntAsNumber: true, ...more });
  try { await fn(c); } finally { c.destroy(); }
}
for (const pipelining of [true, false]) {
  test(`mariadb.pipelining ${pipelining}`, () => withMariadb(async (c) => {
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) => (i % 2 ? c.query('SELECT ? AS n', [i]) : c.execute('SELECT ? AS n', [i]))));
    check(all.map(([row]) => Number(row.n)), Array.from({ length: 500 }, (_, i) => i));
    const mixed = await Promise.all([
      c.query('SELECT 1 AS n'), c.query('SELECT * FROM nowhere').catch((e) => e.errno), c.query('SELECT 3 AS n'), c.query('ALTER TABLE nowhere ADD INDEX (a)').catch((e) => e.errno), c.query('SELECT 5 AS n'),
    ]);
    check([mixed[0][0].n, mixed[1], mixed[2][0].n, mixed[3], mixed[4][0].n], [1, 1146, 3, 1146, 5]);
  }, { pipelining }));
}
test('mariadb.bulk', () => withMariadb(async (c) => {
  await c.query('CREATE OR REPLACE TABLE js_b (id INT PRIMARY KEY, a VARCHAR(40), b BLOB)');
  const rows = Array.from({ length: 20000 }, (_, i) => [i, i % 3 ? `row ${i}` : null, Buffer.from([0, i % 256])]);
  const r = await c.batch('INSERT INTO js_b VALUES (?, ?, ?)', rows);
  check([r].flat().reduce((n, one) => n + one.affectedRows, 0), 20000);
  const [sums] = await c.query('SELECT COUNT(*) AS n, COUNT(a) AS a, SUM(LENGTH(b)) AS l FROM js_b');
  check([sums.n, sums.a, Number(sums.l)], [20000, 13333, 40000]);
  await fails(c.batch('INSERT INTO js_b VALUES (?, ?, ?)', rows.slice(0, 10)), 1062);
  check((await c.query('SELECT 7 AS n'))[0].n, 7);
}));
test('mariadb.streaming', () => withMariadb(async (c) => {
  let n = 0;
  for await (const _ of c.queryStream("SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000")) n++;
  check(n, 20000);
}));
test('mariadb.big', () => withMariadb(async (c) => {
  const [row] = await c.query('SELECT SHA1(?) AS s, REPEAT(?, 1114112) AS r', [big.toString(), '0123456789abcdef']);
  check([row.s, sha1(row.r)], [sha1(big), sha1(big)]);
  const [p] = await c.execute('SELECT SHA1(?) AS s', [big]);
  check(p.s, sha1(big));
}, { maxAllowedPacket: 64 << 20 }));
test('mariadb.change_user', () => withMariadb(async (c) => {
  await c.query('SET @a = 1');
  await c.changeUser({ user, password, database });
  check((await c.query('SELECT @a AS a'))[0].a, null);
  await c.query('SET @a = 1');
  await c.reset();
  check((await c.query('SELECT @a AS a'))[0].a, null);
}));
test('mariadb.infile', () => withMariadb(async (c) => {
  const r = await c.query(`LOAD DATA LOCAL INFILE '${file(20000)}' INTO TABLE js_l`);
  check(r.affectedRows, 20000);
}, { permitLocalInfile: true }));
test('mariadb.transactions', () => withMariadb(async (c) => {
  await c.beginTransaction();
  await c.query('DELETE FROM js_b');
  await c.rollback();
  check((await c.query('SELECT COUNT(*) AS n FROM js_b'))[0].n, 20000);
}));
test('mariadb.multiple', () => withMariadb(async (c) => {
  await c.query('CREATE OR REPLACE PROCEDURE js_p() BEGIN SELECT 1 AS a; SELECT 2 AS b; END');
  const r = await c.query('CALL js_p()');
  check([r[0], r[1]], [[{ a: 1 }], [{ b: 2 }]]);
  const e = await c.execute('CALL js_p()');
  check([e[0], e[1]], [[{ a: 1 }], [{ b: 2 }]]);
}, { multipleStatements: true }));
test('mariadb.pool', async () => {
  const pool = mariadb.createPool({ ...config, connectionLimit: 5, bigIntAsNumber: true });
  try {
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => pool.query('SELECT ? AS n', [i])));
    check(all.map(([row]) => row.n), Array.from({ length: 200 }, (_, i) => i));
  } finally { await pool.end(); }
});
test('mariadb.kill', () => withMariadb(async (c) => withMariadb(async (killer) => {
  const [{ id }] = await c.query('SELECT CONNECTION_ID() AS id');
  check(Number(id), Number(c.threadId));
  const victim = c.query('SELECT SLEEP(20)').then(() => 0, (e) => e.errno);
  await sleep(200);
  await killer.query(`KILL QUERY ${id}`);
  check(await victim, 1317);
})));

(async () => {
  for (const [name, fn] of tests) {
    try { await fn(); console.log(`${name}: pass`); } catch (e) { console.log(`${name}: ${String(e.message).split('\n')[0]}`); }
  }
  fs.rmSync(path.join(os.tmpdir(), `dxf-${process.pid}.tsv`), { force: true });
  process.exit(0);
})();
