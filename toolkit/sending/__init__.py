"""Messages out: `producer` (what users declare), `pipeline` (every step of the way)."""

from toolkit.sending.pipeline import SendPipeline
from toolkit.sending.producer import Producer, Publishes, PublishReport, Sends

__all__ = ["Producer", "PublishReport", "Publishes", "SendPipeline", "Sends"]
