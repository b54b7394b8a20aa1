"""sync.py DATABASE_URL ACCOUNTS_FILE BASE_URL: accounts' videos with dlt, page by page, into PostgreSQL.

As its pages on performance advise: pages and not rows are yielded, accounts are read side by side, normalizing has a
process a core, and files are loaded as CSV by COPY. Prints one line of JSON.
"""

import json
import os
import sys
import time

os.environ.update(
    EXTRACT__WORKERS="8", EXTRACT__MAX_PARALLEL_ITEMS="20", NORMALIZE__WORKERS=str(os.cpu_count()),
    NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS="25000", LOAD__WORKERS="8", RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="ERROR")

import dlt  # noqa: E402
import requests  # noqa: E402
from requests.adapters import HTTPAdapter  # noqa: E402

FIELDS = ("id,create_time,cover_image_url,share_url,video_description,duration,height,width,title,embed_html,embed_link,"
          "like_count,comment_count,share_count,view_count")
PAGE = 20


def main():
    url, file, base = sys.argv[1:]
    with open(file) as lines:
        accounts = [json.loads(line) for line in lines]
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=32))
    session.trust_env = False

    @dlt.resource
    def owners():
        yield from accounts

    @dlt.transformer(data_from=owners, parallelized=True, write_disposition="append", name="videos")
    def videos(account):
        cursor, more = 0, True
        while more:
            answer = session.post(
                f"{base}/v2/video/list/?fields={FIELDS}", json={"max_count": PAGE, "cursor": cursor},
                headers={"Authorization": f"Bearer {account['access_token']}"}, timeout=60)
            answer.raise_for_status()
            data = answer.json()["data"]
            cursor, more = data["cursor"], data["has_more"]
            yield [video | {"account_id": account["account_id"]} for video in data["videos"]]

    pipeline = dlt.pipeline(
        pipeline_name="bench", destination=dlt.destinations.postgres(url), dataset_name="dlt",
        pipelines_dir=os.path.dirname(file) + "/dlt")
    began = time.monotonic()
    pipeline.run(owners | videos, loader_file_format="csv")
    took = time.monotonic() - began
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM dlt.videos")[0][0]
    print(json.dumps({"rows": rows, "seconds": took}))


if __name__ == "__main__":
    main()
