module vigie.tests/remotewrite2

go 1.24.0

require github.com/prometheus/client_golang/exp v0.0.0-20260325093428-d8591d0db856

require (
	github.com/klauspost/compress v1.18.4 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)
