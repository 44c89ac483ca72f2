package protocol

// appendOK appends the payload of an OK packet.
func appendOK(dst []byte, caps Capability, status StatusFlags, ok OK) []byte {
	dst = append(dst, 0x00)
	dst = appendLenenc(dst, ok.AffectedRows)
	dst = append(dst, 0) // last insert id
	dst = append(dst, byte(status), byte(status>>8))
	dst = appendWarningCount(dst, len(ok.Warnings))
	if ok.Info == "" {
		return dst
	}
	if caps.Has(ClientSessionTrack) {
		return appendString(dst, ok.Info)
	}
	return append(dst, ok.Info...)
}

// appendEOF appends the payload of the packet that ends definitions or rows,
// in the shape the client agreed to.
func appendEOF(dst []byte, caps Capability, status StatusFlags) []byte {
	if caps.Has(ClientDeprecateEOF) {
		return append(dst, 0xfe, 0, 0, byte(status), byte(status>>8), 0, 0)
	}
	return append(dst, 0xfe, 0, 0, byte(status), byte(status>>8))
}

func appendWarningCount(dst []byte, n int) []byte {
	n = min(n, 0xffff)
	return append(dst, byte(n), byte(n>>8))
}

// appendProgress appends the payload of a progress report: an ERR packet with
// a code of its own (MariaDB).
func appendProgress(dst []byte, stage, maxStage uint8, percent float64, info string) []byte {
	thousandths := uint32(min(max(percent, 0), 100) * 1000)
	dst = append(dst, 0xff, progressCode&0xff, progressCode>>8, 1, stage, maxStage)
	dst = append(dst, byte(thousandths), byte(thousandths>>8), byte(thousandths>>16))
	return appendString(dst, info)
}
