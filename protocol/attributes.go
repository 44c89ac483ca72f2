package protocol

import "github.com/go-mysql-org/go-mysql/mysql"

// skipAttributes returns where the SQL starts in the body of a COM_QUERY from a
// client that sends query attributes (MySQL 8.0.23): a count, the number of
// sets (always 1), and if the count is not zero the NULL bitmap, the names with
// their types, and the values.
func skipAttributes(body []byte) (sql int, ok bool) {
	c := cursor{b: body}
	count := c.count()
	c.count()
	if count > 0 {
		if count > uint64(len(body)) {
			return 0, false
		}
		nulls := c.take(int(count+7) / 8)
		if c.u8() != 1 { // names and types are new: they always are for a query
			return 0, false
		}
		types := make([]byte, 0, 8)
		for range count {
			types = append(types, byte(c.u16()))
			c.bytes() // name
			if c.bad {
				return 0, false
			}
		}
		for i, t := range types {
			if nulls[i/8]&(1<<(i%8)) == 0 && !skipValue(&c, t) {
				return 0, false
			}
		}
	}
	return len(body) - len(c.b), !c.bad
}

// skipValue passes a binary parameter value.
func skipValue(c *cursor, typ byte) bool {
	switch typ {
	case mysql.MYSQL_TYPE_NULL:
	case mysql.MYSQL_TYPE_TINY:
		c.take(1)
	case mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_YEAR:
		c.take(2)
	case mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_FLOAT:
		c.take(4)
	case mysql.MYSQL_TYPE_LONGLONG, mysql.MYSQL_TYPE_DOUBLE:
		c.take(8)
	case mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_DATETIME, mysql.MYSQL_TYPE_TIMESTAMP, mysql.MYSQL_TYPE_TIME:
		c.take(int(c.u8()))
	default:
		c.bytes()
	}
	return !c.bad
}
