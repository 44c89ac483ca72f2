# DBD::mysql and DBD::MariaDB. Arguments: host port user password schema.
use strict;
use warnings;
use DBI;
use Digest::SHA qw(sha1_hex);
use File::Temp;

my ($host, $port, $user, $password, $schema) = @ARGV;
my $big = "0123456789abcdef" x (17 << 16);
$| = 1;

sub test {
	my ($name, $fn) = @_;
	my $ok = eval { $fn->(); 1 };
	my $err = $@ || "failed";
	$err =~ s/ at \S+ line.*//s;
	print "$name: ", $ok ? "pass" : $err, "\n";
}

sub check {
	my ($got, $want) = @_;
	die sprintf("%.200s, want %.200s\n", $got // "undef", $want // "undef") unless ($got // "undef") eq ($want // "undef");
}

for my $driver ("mysql", "MariaDB") {
	my $p = $driver eq "mysql" ? "mysql" : "mariadb";
	my $connect = sub {
		my %more = @_;
		my $dsn = "DBI:$driver:database=$schema;host=$host;port=$port;${p}_local_infile=1";
		$dsn .= ";${p}_multi_statements=1" if delete $more{multi};
		return DBI->connect($dsn, $user, $password, { RaiseError => 1, PrintError => 0, "${p}_server_prepare" => 1, %more });
	};
	test "$driver.prepared" => sub {
		my $db = $connect->();
		$db->do("CREATE OR REPLACE TABLE pl_t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40), b LONGBLOB)");
		my $in = $db->prepare("INSERT INTO pl_t (a, b) VALUES (?, ?)");
		for my $id (1 .. 200) {
			$in->bind_param(1, "row $id");
			$in->bind_param(2, pack("C*", 0, $id, 255), DBI::SQL_BLOB);
			$in->execute;
		}
		check($in->{"${p}_insertid"}, 200);
		my $out = $db->prepare("SELECT a, HEX(b) FROM pl_t WHERE id = ?");
		for my $id (1 .. 200) {
			$out->execute($id);
			my @row = $out->fetchrow_array;
			check("@row", "row $id " . uc unpack("H*", pack("C*", 0, $id, 255)));
			$out->finish;
		}
		$db->do("ALTER TABLE pl_t ADD INDEX (a)");
		check($db->selectrow_array("SELECT COUNT(*) FROM pl_t FORCE INDEX (a) WHERE a LIKE 'row%'"), 200);
	};
	test "$driver.transactions" => sub {
		my $db = $connect->(AutoCommit => 0);
		$db->do("DELETE FROM pl_t");
		$db->rollback;
		check($db->selectrow_array("SELECT COUNT(*) FROM pl_t"), 200);
		$db->do("DELETE FROM pl_t WHERE id > 100");
		$db->commit;
		check($db->selectrow_array("SELECT COUNT(*) FROM pl_t"), 100);
		$db->rollback;
	};
	test "$driver.results" => sub {
		my $db = $connect->(multi => 1, "${p}_server_prepare" => 0);
		my $s = $db->prepare("SELECT 1; SELECT 2, 3; DO 1; SELECT 4");
		$s->execute;
		my @seen;
		do {
			push @seen, $s->{NUM_OF_FIELDS} ? join(",", map { @$_ } @{ $s->fetchall_arrayref }) : "-";
		} while ($s->more_results);
		check("@seen", "1 2,3 - 4");
	};
	# DBD::MariaDB 1.22 gets no rows this way, also without a proxy.
	test "$driver.streaming" => sub {
		return if $driver eq "MariaDB";
		my $db = $connect->("${p}_server_prepare" => 0);
		my $s = $db->prepare("SELECT seq, REPEAT('x', 500) FROM seq_1_to_20000", { "${p}_use_result" => 1 });
		$s->execute;
		my $n = 0;
		$n++ while $s->fetchrow_arrayref;
		check($n, 20000);
		check($db->selectrow_array("SELECT 7"), 7);
	};
	test "$driver.infile" => sub {
		my $db = $connect->("${p}_server_prepare" => 0);
		$db->do("CREATE OR REPLACE TABLE pl_l (id INT, a VARCHAR(40))");
		my $f = File::Temp->new;
		print $f "$_\tline $_\n" for 1 .. 30000;
		close $f;
		check($db->do("LOAD DATA LOCAL INFILE '" . $f->filename . "' INTO TABLE pl_l"), 30000);
	};
	test "$driver.big" => sub {
		my $db = $connect->();
		my @row = $db->selectrow_array("SELECT SHA1(?), LENGTH(REPEAT('0123456789abcdef', 1114112)), REPEAT('0123456789abcdef', 1114112)", undef, $big);
		check($row[0], sha1_hex($big));
		check(sha1_hex($row[2]), sha1_hex($big));
	};
	test "$driver.errors" => sub {
		my $db = $connect->();
		eval { $db->do("SELECT * FROM nowhere") };
		check($db->err . " " . $db->state, "1146 42S02");
		eval { $db->do("INSERT INTO pl_t (id) VALUES (1)") };
		check($db->err . " " . $db->state, "1062 23000");
	};
	test "$driver.kill" => sub {
		my ($db, $killer) = ($connect->(), $connect->());
		my $id = $driver eq "mysql" ? $db->{mysql_thread_id} : $db->mariadb_sockfd && $db->{mariadb_thread_id};
		check($id, $db->selectrow_array("SELECT CONNECTION_ID()"));
		$killer->do("KILL $id");
		select undef, undef, undef, 0.2;
		eval { $db->do("SELECT 1") };
		check($db->err == 2006 || $db->err == 2013 ? "gone" : $db->err, "gone");
	};
}
