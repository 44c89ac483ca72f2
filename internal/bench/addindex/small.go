package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"dxfproxy/internal/bench"
	"dxfproxy/internal/cluster"
)

// smallRounds is how many times each way makes an index on an empty table.
const smallRounds = 15

// small measures what a small change costs beside the store's own: an index on an empty
// table, in the way that is chosen by itself and as a copy, and a dump with many of them.
func (b *contest) small(ctx context.Context, c *cluster.Cluster) error {
	through, err := c.Nodes[0].Open()
	if err != nil {
		return err
	}
	defer through.Close()
	made := 0
	onEmpty := func(db *sql.DB, most string) func(context.Context) error {
		return func(ctx context.Context) error {
			if db == through {
				if _, err := db.ExecContext(ctx, "SET GLOBAL dxf_native_ddl_max_size = "+most); err != nil {
					return err
				}
			}
			_, err := db.ExecContext(ctx, fmt.Sprintf("ALTER TABLE bench.e%d %s", made, alter))
			return err
		}
	}
	if _, err := b.db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS bench"); err != nil {
		return err
	}
	cs := []*contender{
		{name: "node, its choice", add: onEmpty(through, "DEFAULT")},
		{name: "node, copy", add: onEmpty(through, "0")},
		{name: "the store's own ALTER", add: onEmpty(b.db, "")},
	}
	for round := -1; round < smallRounds; round++ {
		for _, way := range cs {
			made++
			if _, err := b.db.ExecContext(ctx, fmt.Sprintf("CREATE TABLE bench.e%d (id INT PRIMARY KEY, created_at DATETIME)", made)); err != nil {
				return err
			}
			time.Sleep(b.pause) // what the job before it leaves to be done is not this one's
			began := time.Now()
			if err := way.add(ctx); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if round >= 0 { // the first opens connections
				way.took = append(way.took, time.Since(began))
			}
		}
	}
	fmt.Printf("\nADD INDEX on an empty table, medians of %d\n", smallRounds)
	printBeside(cs)
	if _, err := through.ExecContext(ctx, "SET GLOBAL dxf_native_ddl_max_size = DEFAULT"); err != nil {
		return err
	}
	return b.dumps(ctx, c)
}

// dumpTables is how many tables the dump has; each is altered twice.
const dumpTables = 30

// dump is what a program that writes tables first and then their keys makes.
func dump() []byte {
	var s bytes.Buffer
	s.WriteString("DROP DATABASE IF EXISTS dump; CREATE DATABASE dump; USE dump;\nSET FOREIGN_KEY_CHECKS = 0;\n")
	for i := range dumpTables {
		fmt.Fprintf(&s, "CREATE TABLE `t%d` (\n  `id` int(11) NOT NULL,\n  `parent` int(11) DEFAULT NULL,\n"+
			"  `name` varchar(80) NOT NULL\n) ENGINE=InnoDB;\n", i)
		fmt.Fprintf(&s, "INSERT INTO `t%d` VALUES (1,NULL,'a'),(2,1,'b'),(3,1,'c');\n", i)
	}
	for i := range dumpTables {
		fmt.Fprintf(&s, "ALTER TABLE `t%d` ADD PRIMARY KEY (`id`), ADD KEY `parent` (`parent`);\n", i)
		if i%2 == 0 {
			fmt.Fprintf(&s, "ALTER TABLE `t%d` ADD CONSTRAINT `f%d` FOREIGN KEY (`parent`) REFERENCES `t%d` (`id`);\n", i, i, i)
		} else {
			fmt.Fprintf(&s, "ALTER TABLE `t%d` ADD UNIQUE KEY `name` (`name`);\n", i)
		}
	}
	return s.Bytes()
}

// dumps loads the dump with the client of MariaDB, at the store and through a node.
func (b *contest) dumps(ctx context.Context, c *cluster.Cluster) error {
	client, err := exec.LookPath("mariadb")
	if err != nil {
		fmt.Println("the client mariadb is not installed: no dump is loaded")
		return nil
	}
	load := func(addr string) func(context.Context) error {
		host, port, _ := net.SplitHostPort(addr)
		return func(ctx context.Context) error {
			// The store offers no TLS, a node does; for it the client reads all of the system's certificates (40 ms).
			cmd := exec.CommandContext(ctx, client, "--no-defaults", "-h"+host, "-P"+port, "-uroot", "--protocol=tcp", "--skip-ssl")
			cmd.Stdin = bytes.NewReader(dump())
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as store and node have
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("load a dump at %s: %w: %s", addr, err, out)
			}
			return nil
		}
	}
	cs := []*contender{{name: "through a node", add: load(c.Nodes[0].Addr)}, {name: "at the store", add: load(b.srv.Addr())}}
	for round := -1; round < b.rounds; round++ {
		for _, way := range cs {
			began := time.Now()
			if err := way.add(ctx); err != nil {
				return err
			}
			if round >= 0 {
				way.took = append(way.took, time.Since(began))
			}
		}
	}
	fmt.Printf("\na dump with %d tables and %d ALTERs, medians of %d\n", dumpTables, strings.Count(string(dump()), "ALTER TABLE"), b.rounds)
	printBeside(cs)
	return nil
}

// printBeside prints medians, beside the last one's.
func printBeside(cs []*contender) {
	last := bench.Median(cs[len(cs)-1].took)
	for _, c := range cs {
		m := bench.Median(c.took)
		fmt.Printf("%-28s %9.1f ms %+9.1f ms  %6.2f times\n", c.name, ms(m), ms(m-last), float64(m)/float64(last))
	}
}
