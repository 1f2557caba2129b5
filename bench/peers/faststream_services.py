"""The same three services as FastStream's documentation has them: a subscriber each, answers by its publisher, its own
acknowledgements and confirms. Queues are durable; what `metric` has joined is in its memory only.

Usage: faststream_services.py features|model|metric URL ROWS FILE
`ready` on stdout says that it consumes; `features` begins when it reads a line.
"""

import asyncio
import sys

import rows
from faststream import FastStream
from faststream.rabbit import RabbitBroker, RabbitQueue
from pydantic import BaseModel

FEATURES, LABELS, PREDICTIONS = (
    RabbitQueue(f"bench.faststream.{name}", durable=True) for name in ("features", "y_true", "y_pred")
)
# So many publishes wait for their confirms at once.
AT_ONCE = 256


class Row(BaseModel):
    id: str
    body: list[float]


class Number(BaseModel):
    id: str
    body: float


async def features(broker: RabbitBroker, count: int) -> None:
    table = rows.table().tolist()
    await broker.start()
    for queue in (FEATURES, LABELS):
        await broker.declare_queue(queue)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for start in range(0, count, AT_ONCE):
        publishes = []
        for number in range(start, min(count, start + AT_ONCE)):
            *row, label = table[number % len(table)]
            publishes.append(broker.publish(Number(id=str(number), body=label), LABELS))
            publishes.append(broker.publish(Row(id=str(number), body=row), FEATURES))
        await asyncio.gather(*publishes)
    await broker.stop()


def model(broker: RabbitBroker) -> None:
    regression = rows.model()

    @broker.subscriber(FEATURES)
    @broker.publisher(PREDICTIONS)
    async def predict(row: Row) -> Number:
        return Number(id=row.id, body=float(regression.predict([row.body])[0]))


def metric(broker: RabbitBroker, path: str) -> None:
    log = rows.Log(path)

    @broker.subscriber(LABELS)
    async def label(number: Number) -> None:
        log.take("y_true", number.id, number.body)

    @broker.subscriber(PREDICTIONS)
    async def prediction(number: Number) -> None:
        log.take("y_pred", number.id, number.body)


service, url, count, path = sys.argv[1:]
broker = RabbitBroker(url, logger=None)
if service == "features":
    asyncio.run(features(broker, int(count)))
else:
    model(broker) if service == "model" else metric(broker, path)
    app = FastStream(broker, logger=None)

    @app.after_startup
    async def said() -> None:
        print("ready", flush=True)

    asyncio.run(app.run())
