"""A program that measures with the OpenTelemetry SDK, as stock as it gets: how and where it exports
is said by the environment (OTEL_...), but for the protocol, which is the one argument.

Each line of the input is a round: a temperature, failures and seconds. What came of its export is
said in a line of the output.
"""

import math
import os
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
else:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter


class Exporter(OTLPMetricExporter):
    """Remembers what came of an export, which the reader does not say."""

    outcome = None

    def export(self, *arguments, **options):
        self.outcome = super().export(*arguments, **options)
        return self.outcome


exporter = Exporter()
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
meter = MeterProvider(metric_readers=[reader]).get_meter("vigie.tests")
temperature = meter.create_gauge("room.temperature", unit="Cel")
failures = meter.create_counter("jobs.failed")
duration = meter.create_histogram("request.duration", unit="s")
queue = meter.create_up_down_counter("queue.length")

for line in sys.stdin:
    degrees, failed, seconds = (float(word) for word in line.split())
    temperature.set(degrees, {"sensor": "inlet"})
    failures.add(failed)
    duration.record(seconds)
    queue.add(1)
    reader.force_flush()
    print(exporter.outcome.name, flush=True)

# Without the export that the SDK makes when a program ends.
os._exit(0)
