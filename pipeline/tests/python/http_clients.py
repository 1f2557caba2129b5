"""The HTTP port of `model`, asked by the clients that others use: tritonclient in JSON and in bytes, and plain requests in MLflow's
and SageMaker's forms; its description is held to OpenAPI.

Usage: http_clients.py ADDRESS

ADDRESS is 127.0.0.1:PORT of a model with ten features by name. Ends with 0 when all is as it should be.
"""

import json
import sys
import urllib.error
import urllib.request

import numpy as np
import tritonclient.http as triton
from openapi_spec_validator import validate
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

address = sys.argv[1]
names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
rows = (np.arange(20, dtype=np.float64).reshape(2, 10) - 10) / 200


def ask(method, path, body=None, kind="application/json", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        headers["Content-Type"] = kind
    request = urllib.request.Request(f"http://{address}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read(), dict(answer.headers)


def with_triton(wanted):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("model")
    assert not client.is_model_ready("nope")
    metadata = client.get_model_metadata("model")
    assert metadata["inputs"][0]["shape"] == [-1, 10] and metadata["parameters"]["feature_names"] == ",".join(names)
    [version] = metadata["versions"]
    for datatype in ("FP64", "FP32"):
        for is_binary in (True, False):
            for packing in (None, "gzip", "deflate"):
                given = triton.InferInput("input-0", rows.shape, datatype)
                given.set_data_from_numpy(rows.astype(triton_to_np_dtype(datatype)), binary_data=is_binary)
                output = triton.InferRequestedOutput("predict", binary_data=is_binary)
                answer = client.infer("model", [given], outputs=[output], request_id=f"triton-{datatype}-{is_binary}-{packing}",
                                      request_compression_algorithm=packing, response_compression_algorithm=packing)
                values = answer.as_numpy("predict")
                assert values.shape == (2, 1) and values.dtype == np.float64, values
                near = 0 if datatype == "FP64" else 1e-3
                assert np.abs(values[:, 0] - wanted).max() <= near, (datatype, is_binary, packing, values, wanted)
    # Nothing said of outputs: bytes both ways. By name, in another order, and of several types.
    columns = []
    for at in reversed(range(10)):
        column = triton.InferInput(names[at], [2, 1], "FP64")
        columns.append(column.set_data_from_numpy(rows[:, [at]]))
    values = client.infer("model", columns, model_version=version).as_numpy("predict")[:, 0]
    assert (values == wanted).all(), values
    whole = triton.InferInput("input-0", [1, 10], "INT8")
    whole.set_data_from_numpy(np.zeros((1, 10), dtype=np.int8))
    assert client.infer("model", [whole]).as_numpy("predict").shape == (1, 1)

    def refused(part, inputs, model="model", **more):
        try:
            client.infer(model, inputs, **more)
        except InferenceServerException as why:
            assert part in str(why), why
            return
        raise AssertionError(f"{part} was not said")

    narrow = triton.InferInput("input-0", [2, 5], "FP64").set_data_from_numpy(rows[:, :5].copy())
    refused("rows of 5 values", [narrow])
    good = triton.InferInput("input-0", [2, 10], "FP64").set_data_from_numpy(rows)
    refused('model "nope" is not served here', [good], model="nope")
    refused('version "7" of model', [good], model_version="7")
    refused('no output "nope"', [good], outputs=[triton.InferRequestedOutput("nope")])
    refused('the feature "age" is missing', [c for c in columns if c.name() != "age"])
    texts = triton.InferInput("input-0", [1, 10], "BYTES").set_data_from_numpy(np.full((1, 10), b"1", dtype=np.object_))
    refused('the datatype is "BYTES"', [texts])
    many = np.zeros((4097, 10), dtype=np.int8)
    refused("4097 rows in one request", [triton.InferInput("x", many.shape, "INT8").set_data_from_numpy(many)])
    large = np.zeros((20000, 10))
    refused("the body is longer than", [triton.InferInput("x", large.shape, "FP64").set_data_from_numpy(large)])
    nan = np.full((1, 10), np.nan)
    refused("is NaN", [triton.InferInput("x", nan.shape, "FP64").set_data_from_numpy(nan)])


def with_requests(wanted):
    frame = {"columns": names[::-1], "data": rows[:, ::-1].tolist(), "index": [0, 1]}
    records = [dict(zip(names, row)) for row in rows.tolist()]
    by_column = {name: rows[:, at].tolist() for at, name in enumerate(names)}
    forms = [{"dataframe_split": frame}, {"dataframe_records": records}, {"instances": rows.tolist()}, {"instances": records},
             {"inputs": rows.tolist()}, {"inputs": by_column, "params": {}}]
    for form in forms:
        status, body, _ = ask("POST", "/invocations", json.dumps(form).encode())
        assert (status, json.loads(body)["predictions"]) == (200, wanted.tolist()), (form, body)
    status, body, headers = ask("POST", "/invocations", json.dumps(rows.tolist()).encode(), X_Amzn_SageMaker_Inference_Id="sage")
    assert (status, json.loads(body), headers["x-row-id"]) == (200, wanted.tolist(), "sage")
    lines = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    for text in (lines, ",".join(names) + "\n" + lines):
        status, body, _ = ask("POST", "/invocations", text.encode(), kind="text/csv", Accept="text/csv")
        assert (status, [float(line) for line in body.split()]) == (200, wanted.tolist()), body
    assert ask("GET", "/ping")[:2] == (200, b"\n")
    status, body, headers = ask("POST", "/invocations", b'{"instances": [[1]]}')
    assert status == 400 and headers["x-reason"] == "wrong_length" and json.loads(body)["error_code"] == "BAD_REQUEST", body


given = {"inputs": [{"name": "x", "shape": [2, 10], "datatype": "FP64", "data": rows.tolist()}]}
status, body, _ = ask("POST", "/v2/models/model/infer", json.dumps(given).encode())
assert status == 200, body
wanted = np.array(json.loads(body)["outputs"][0]["data"])
validate(json.loads(ask("GET", "/openapi.json")[1]))
with_triton(wanted)
with_requests(wanted)
print("all is as it should be")
