package pgserver

// ThrowawaySettings are for servers whose data nobody will miss: many connections, nothing synced to disk.
func ThrowawaySettings() map[string]string {
	s := DurableSettings()
	s["fsync"] = "off"
	s["full_page_writes"] = "off"
	return s
}

// DurableSettings leave all that concerns durability at Postgres' safe defaults.
func DurableSettings() map[string]string {
	return map[string]string{
		"max_connections": "300",
		"shared_buffers":  "128MB",
		"max_wal_size":    "2GB",
	}
}

// MeasuredSettings are DurableSettings with the memory that a server of its own has: Postgres' documentation begins at a quarter of the
// machine's, and this is for one of 8 GB.
func MeasuredSettings() map[string]string {
	s := DurableSettings()
	s["shared_buffers"] = "2GB"
	return s
}
