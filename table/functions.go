package table

import "strings"

// RowFunctions are functions that every store has of its own, so that no stored function
// can be called by these names alone, and that look at nothing but their arguments, the
// clock and chance. The names are in lower case.
var RowFunctions = Words(`
	abs acos asin atan atan2 ceil ceiling conv cos cot crc32 degrees exp floor ln log log10 log2 mod pi pow power
	radians rand round sign sin sqrt tan truncate greatest least interval
	ascii bin bit_length char_func char_length character_length concat concat_ws elt export_set field find_in_set
	format from_base64 hex insert_func instr lcase left length locate lower lpad ltrim make_set mid oct
	octet_length ord position quote regexp_instr regexp_replace regexp_substr repeat replace reverse right rpad rtrim
	soundex space strcmp substr substring substring_index to_base64 trim ucase unhex upper charset collation
	adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add date_format
	date_sub datediff day dayname dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour last_day
	localtime localtimestamp makedate maketime microsecond minute month monthname now period_add period_diff quarter
	sec_to_time second str_to_date subdate subtime sysdate time time_format time_to_sec timediff timestamp timestampadd
	timestampdiff to_days to_seconds unix_timestamp utc_date utc_time utc_timestamp week weekday weekofyear year yearweek
	if ifnull nullif coalesce isnull cast convert binary
	bit_count md5 sha sha1 sha2 compress uncompress uncompressed_length aes_encrypt aes_decrypt uuid uuid_short
	inet_aton inet_ntoa inet6_aton inet6_ntoa is_ipv4 is_ipv6
	json_array json_array_append json_array_insert json_contains json_contains_path json_depth json_extract json_insert
	json_keys json_length json_merge_patch json_merge_preserve json_object json_quote json_remove json_replace
	json_search json_set json_type json_unquote json_valid json_value`)

// Words is a set of words that stand between blanks.
func Words(list string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		set[w] = true
	}
	return set
}
