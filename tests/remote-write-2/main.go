// Sends samples by remote write 2.0, with the client of the Prometheus project.
//
//	remote-write-2 URL HOST VALUE...
//
// The values are those of a gauge of that host, a second apart and the last one now; a counter that
// nobody looks at goes with them. Retries as the client does by default. Prints what the receiver says
// that it has written: samples, histograms, exemplars.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 3 {
		return fmt.Errorf("usage: remote-write-2 URL HOST VALUE...")
	}
	request, err := request(arguments[1], arguments[2:], time.Now())
	if err != nil {
		return err
	}
	api, err := remote.NewAPI(arguments[0])
	if err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stats, err := api.Write(deadline, remote.WriteV2MessageType, request)
	if err != nil {
		return err
	}
	fmt.Println(stats.Samples, stats.Histograms, stats.Exemplars)
	return nil
}

func request(host string, values []string, now time.Time) (*writev2.Request, error) {
	symbols := writev2.NewSymbolTable()
	gauge := &writev2.TimeSeries{
		LabelsRefs: symbols.SymbolizeLabels(
			[]string{"__name__", "temp_c", "host", host}, nil),
		Metadata: &writev2.Metadata{
			Type:    writev2.Metadata_METRIC_TYPE_GAUGE,
			HelpRef: symbols.Symbolize("How warm it is."),
			UnitRef: symbols.Symbolize("celsius"),
		},
	}
	for place, text := range values {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		ago := time.Duration(len(values)-1-place) * time.Second
		sample := &writev2.Sample{Value: value, Timestamp: now.Add(-ago).UnixMilli()}
		gauge.Samples = append(gauge.Samples, sample)
	}
	counter := &writev2.TimeSeries{
		LabelsRefs: symbols.SymbolizeLabels(
			[]string{"__name__", "requests_total", "host", host}, nil),
		Metadata: &writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER},
		Samples:  []*writev2.Sample{{Value: 7, Timestamp: now.UnixMilli()}},
	}
	return &writev2.Request{
		Symbols:    symbols.Symbols(),
		Timeseries: []*writev2.TimeSeries{gauge, counter},
	}, nil
}
