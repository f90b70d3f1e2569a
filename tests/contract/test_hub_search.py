"""Searches on a stand-in Hub over real HTTP: what is asked, what is found, how faults are told."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from core.cancellation import CancelToken
from core.errors import AccessError, CancelledByUser, SagewizardError, UnreachableError, UsageError
from core.models.hub import HubClient
from core.models.search import (
    PAGE_SIZE,
    FoundModel,
    SearchPage,
    SearchQuery,
    Sort,
    more_models,
    search_models,
)
from tests.contract.sandbox_account import until
from tests.stand_in_hub import StandInHub

_MODELS: dict[str, dict[str, Any]] = {
    "acme/tiny-llama": {"pipeline_tag": "text-generation", "downloads": 10, "likes": 5, "trendingScore": 1},
    "acme/llama-7b": {"pipeline_tag": "text-generation", "downloads": 90, "likes": 1, "trendingScore": 7},
    "other/Llama-70B": {"pipeline_tag": "text-generation", "downloads": 40, "likes": 9, "trendingScore": 9},
    "other/whisper": {"pipeline_tag": "automatic-speech-recognition", "downloads": 70, "likes": 7, "trendingScore": 3},
    "old": {"downloads": 99, "likes": 2},
}
_SIZES = {"acme/tiny-llama": 15_000_000, "acme/llama-7b": 6_738_415_616, "other/Llama-70B": 70_553_706_496}


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as stand_in:
        for name, fields in _MODELS.items():
            stored = {"safetensors": {"total": _SIZES[name]}} if name in _SIZES else {}
            stand_in.add(name, {}, fields={**fields, **stored})
        yield stand_in


def client(hub: StandInHub, token: str = "", **settings: Any) -> HubClient:
    return HubClient(hub.url, token, **{"timeout": 60.0, "pause": 0.01, **settings})


def search(hub: StandInHub, query: SearchQuery | None = None, **settings: Any) -> SearchPage:
    return search_models(query or SearchQuery(), client(hub, **settings), CancelToken())


def names(page: SearchPage) -> list[str]:
    return [model.repository for model in page.models]


def answer(hub: StandInHub, *rows: object, link: str | None = None) -> None:
    """Let the next search be answered with these rows."""
    headers = {"Link": link} if link else {}
    hub.fault("/api/models$", status=200, body=json.dumps(rows).encode(), headers=headers)


def test_what_is_shown_of_a_model_comes_from_one_request(hub: StandInHub) -> None:
    fields = {
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "safetensors": {"parameters": {"F32": 32}, "total": 32},
        "downloads": 12,
        "likes": 3,
        "lastModified": "2024-09-25T17:00:57.000Z",
    }
    hub.add("acme/wanted", {}, fields=fields, gated="auto")
    page = search(hub, SearchQuery("wanted"))
    moment = datetime(2024, 9, 25, 17, 0, 57, tzinfo=UTC)
    assert page.models == (
        FoundModel("acme/wanted", "text-generation", "transformers", 32, 12, 3, moment, "auto", private=False),
    )
    assert page.next is None
    assert len(hub.requests) == 1


def test_only_what_is_shown_is_asked_for_by_names_that_the_hub_knows(hub: StandInHub) -> None:
    search(hub)
    from huggingface_hub import hf_api  # after the program's own import, which keeps it from calling home

    asked = parse_qs(urlsplit(hub.requests[0].path).query)
    assert set(asked["expand"]) <= set(get_args(hf_api.ExpandModelProperty_T))
    assert asked["limit"] == [str(PAGE_SIZE)]
    assert set(asked) == {"expand", "limit", "sort"}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_words_list_the_most_popular(hub: StandInHub, text: str) -> None:
    assert names(search(hub, SearchQuery(text))) == [
        "old",
        "acme/llama-7b",
        "other/whisper",
        "other/Llama-70B",
        "acme/tiny-llama",
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (SearchQuery(" llama\t"), ["acme/llama-7b", "other/Llama-70B", "acme/tiny-llama"]),
        (SearchQuery("llama", sort="likes"), ["other/Llama-70B", "acme/tiny-llama", "acme/llama-7b"]),
        (SearchQuery("llama", sort="trending"), ["other/Llama-70B", "acme/llama-7b", "acme/tiny-llama"]),
        (SearchQuery(task="automatic-speech-recognition"), ["other/whisper"]),
        (SearchQuery(smallest=10**9), ["acme/llama-7b", "other/Llama-70B"]),
        (SearchQuery(smallest=15_000_000, largest=6_738_415_616), ["acme/llama-7b", "acme/tiny-llama"]),
        (SearchQuery(smallest=0, largest=14_999_999), []),
        (SearchQuery("LLAMA-7", "text-generation", 6 * 10**9, 7_500_000_000, "likes"), ["acme/llama-7b"]),
        (SearchQuery("no & such=model? #x é \udcff\x1b[2J"), []),
    ],
)
def test_models_are_found_by_words_task_and_size(hub: StandInHub, query: SearchQuery, found: list[str]) -> None:
    assert names(search(hub, query)) == found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (SearchQuery(smallest=6 * 10**9, largest=128 * 10**9), "min:6B,max:128B"),
        (SearchQuery(largest=1_500_000_000), "max:1500M"),
        (SearchQuery(smallest=0), "min:0"),
        (SearchQuery(smallest=1001, largest=2000), "min:1001,max:2K"),
    ],
)
def test_sizes_are_spelled_as_the_hub_does(hub: StandInHub, query: SearchQuery, text: str) -> None:
    search(hub, query)
    assert parse_qs(urlsplit(hub.requests[0].path).query)["num_parameters"] == [text]


@pytest.mark.parametrize("sort", ["downloads", "likes", "trending"])
@pytest.mark.parametrize(
    "query", [{}, {"search": "llama"}, {"pipeline_tag": "text-generation", "num_parameters": "min:1B,max:100B"}]
)
def test_the_official_client_finds_the_same(hub: StandInHub, query: dict[str, str], sort: Sort) -> None:
    for number in range(30):
        hub.add(f"many/llama-{number:02}", {}, fields={"downloads": 30 - number, "likes": number})
    bounds = {"smallest": 10**9, "largest": 100 * 10**9} if "num_parameters" in query else {}
    ours = search(hub, SearchQuery(query.get("search", ""), query.get("pipeline_tag"), sort=sort, **bounds))
    found = names(ours)
    while ours.next:
        ours = more_models(ours, client(hub), CancelToken())
        found += names(ours)

    from huggingface_hub import HfApi  # after the program's own import, which keeps it from calling home

    theirs = HfApi(endpoint=hub.url, token=False).list_models(
        **{**query, "sort": "trending_score" if sort == "trending" else sort}  # type: ignore[arg-type]
    )
    assert found == [model.id for model in theirs]


def test_pages_follow_one_another_to_the_end(hub: StandInHub) -> None:
    for number in range(45):
        hub.add(f"many/model-{number:02}", {}, fields={"downloads": 100 - number})
    pages = [search(hub, SearchQuery("many/"))]
    while pages[-1].next:
        pages.append(more_models(pages[-1], client(hub), CancelToken()))
    assert [len(page.models) for page in pages] == [20, 20, 5]
    assert [name for page in pages for name in names(page)] == [f"many/model-{number:02}" for number in range(45)]
    assert len(hub.requests) == 3
    assert more_models(pages[-1], client(hub), CancelToken()).models == ()
    assert len(hub.requests) == 3


def test_what_was_on_a_page_before_is_not_shown_again(hub: StandInHub) -> None:
    for number in range(40):
        hub.add(f"many/model-{number:02}", {}, fields={"downloads": 100 - number})
    first = search(hub, SearchQuery("many/"))
    hub.add("many/new", {}, fields={"downloads": 1000})  # moves the rest down by one
    second = more_models(first, client(hub), CancelToken())
    assert names(second) == [f"many/model-{number:02}" for number in range(20, 39)]
    third = more_models(second, client(hub), CancelToken())
    assert names(third) == ["many/model-39"]


def test_no_more_models_than_a_page_has_are_taken(hub: StandInHub) -> None:
    answer(hub, *({"id": f"many/model-{number}"} for number in range(1000)))
    assert names(search(hub)) == [f"many/model-{number}" for number in range(20)]


def test_a_private_model_is_found_with_the_token_only(hub: StandInHub) -> None:
    hub.add("acme/secret", {}, private=True)
    assert names(search(hub, SearchQuery("secret"))) == []
    (found,) = search(hub, SearchQuery("secret"), token="hf_good").models
    assert found.private


def test_rows_that_make_no_sense_are_skipped(hub: StandInHub) -> None:
    rows: list[object] = [
        None,
        7,
        "x",
        [],
        {},
        {"id": 7},
        {"id": "../up"},
        {"id": "a\x1b[2J"},
        {"id": "a/b/c"},
        {"id": "x" * 200},
    ]
    answer(hub, *rows, {"id": "acme/good"}, {"id": "acme/good"})
    assert names(search(hub)) == ["acme/good"]


def test_fields_that_make_no_sense_count_as_absent(hub: StandInHub) -> None:
    odd = {"pipeline_tag": 7, "library_name": [], "safetensors": "x", "gguf": [], "downloads": "1", "likes": -1}
    answer(hub, {"id": "a/b", **odd, "lastModified": 7, "gated": 1, "private": "no"})
    assert search(hub).models == (FoundModel("a/b", None, None, None, None, None, None, None, private=False),)


def test_texts_are_made_safe_to_show(hub: StandInHub) -> None:
    answer(hub, {"id": "a/b", "pipeline_tag": "x\x1b]0;t\x07y\u202e", "library_name": "a\nb" + "c" * 999})
    (found,) = search(hub).models
    assert found.task == "xy"
    assert found.library == "a b" + "c" * 97


def test_parameters_of_a_gguf_file_count_where_there_is_no_other(hub: StandInHub) -> None:
    answer(hub, {"id": "a/b", "gguf": {"total": 5}}, {"id": "a/c", "gguf": {"total": 5}, "safetensors": {"total": 7}})
    assert [model.parameters for model in search(hub).models] == [5, 7]


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:9/api/models?cursor=1",
        "https://{place}/api/models?cursor=1",
        "http://localhost:{port}/api/models?cursor=1",
        "http://{place}@evil.example/api/models?cursor=1",
        "http://user:password@{place}/api/models?cursor=1",
        "http://{place}/api/models/acme/tiny-llama?cursor=1",
        "http://{place}/api/whoami-v2?cursor=1",
        "http://{place}/api/models/../whoami-v2?cursor=1",
        "http://{place}/api/models",
        "http://{place}\\@evil.example/api/models?cursor=1",
        "http://{place}:port/api/models?cursor=1",
        "http://[::1/api/models?cursor=1",
        "//evil.example/api/models?cursor=1",
        "file:///etc/passwd?cursor=1",
        "http://{place}/api/models?cursor=" + "1" * 9000,
    ],
)
def test_the_token_never_follows_a_link_that_leads_elsewhere(hub: StandInHub, link: str) -> None:
    place = urlsplit(hub.url)
    address = link.replace("{place}", place.netloc).replace("{port}", str(place.port))
    answer(hub, {"id": "a/b"}, link=f'<{address}>; rel="next"')
    page = search(hub, token="hf_good")
    assert page.next is None
    forged = SearchPage(page.models, address)
    assert more_models(forged, client(hub, "hf_good"), CancelToken()) == SearchPage((), None, frozenset())
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    "link", ["<{url}/api/models?cursor=5&x=%2F>; rel=next", '</api/models?cursor=5&x=%2F>; rel="next"']
)
def test_a_link_to_the_same_hub_is_followed(hub: StandInHub, link: str) -> None:
    answer(hub, {"id": "a/b"}, link=link.format(url=hub.url))
    page = search(hub, token="hf_good")
    assert page.next == f"{hub.url}/api/models?cursor=5&x=%2F"
    more_models(page, client(hub, "hf_good"), CancelToken())
    assert hub.requests[1].path == "/api/models?cursor=5&x=%2F"
    assert hub.requests[1].token == "hf_good"


@pytest.mark.parametrize("link", ["", "x", "<>; rel=next", "<{url}/api/models?a>; rel=prev", '; rel="next"'])
def test_a_link_that_leads_nowhere_is_the_end(hub: StandInHub, link: str) -> None:
    answer(hub, {"id": "a/b"}, link=link.format(url=hub.url) or None)
    assert search(hub).next is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_out(hub: StandInHub, status: int) -> None:
    hub.fault("/api/models", status=status, times=2)
    assert len(search(hub).models) == len(_MODELS)
    assert len(hub.requests) == 3


def test_retry_after_is_honoured(hub: StandInHub) -> None:
    hub.fault("/api/models", status=429, headers={"Retry-After": "0"})
    assert search(hub, pause=3600.0).models  # our own pause would not end within the test's time


def test_a_wait_that_is_too_long_is_told_of(hub: StandInHub) -> None:
    hub.fault("/api/models", status=429, headers={"Retry-After": "240"})
    with pytest.raises(UnreachableError, match="240 seconds"):
        search(hub)
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("status", "token", "kind", "told"),
    [
        (503, "", UnreachableError, "HTTP status 503"),
        (429, "", UnreachableError, "too many requests"),
        (401, "hf_good", AccessError, "does not accept the token"),
        (401, "", AccessError, "asks who is asking"),
        (403, "", AccessError, "asks who is asking"),
        (400, "", SagewizardError, "refused to look for models, with HTTP status 400"),
        (404, "", SagewizardError, "HTTP status 404"),
        (418, "", SagewizardError, "HTTP status 418"),
    ],
)
def test_lasting_trouble_ends_in_a_sentence(
    hub: StandInHub, status: int, token: str, kind: type[SagewizardError], told: str
) -> None:
    hub.fault("/api/models", status=status, times=99)
    with pytest.raises(kind, match=told) as caught:
        search(hub, token=token)
    assert caught.value.fix


def test_a_bad_token_is_told_of_and_not_shown(hub: StandInHub) -> None:
    with pytest.raises(AccessError, match="does not accept the token") as caught:
        search(hub, token="hf_secretbad")
    assert "secretbad" not in f"{caught.value}{caught.value.fix}{caught.value.__cause__}"


@pytest.mark.parametrize(
    "body", [b'[{"id": "acme/ti', b"{}", b'"x"', b"null", b"\xff", b"[" * 100_000, b" " * (8 * 2**20 + 1)]
)
def test_an_answer_that_makes_no_sense(hub: StandInHub, body: bytes) -> None:
    hub.fault("/api/models", status=200, body=body)
    with pytest.raises(SagewizardError, match="makes no sense"):
        search(hub)


def test_an_answer_cut_short_is_asked_for_again(hub: StandInHub) -> None:
    hub.fault("/api/models", cut_after=20)
    assert len(search(hub).models) == len(_MODELS)
    assert len(hub.requests) == 2


def test_a_hub_that_hangs_is_given_up_on(hub: StandInHub) -> None:
    hub.fault("/api/models", hang=True, times=9)
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 seconds"):
        search(hub, timeout=0.2)
    assert until(lambda: len(hub.requests), lambda count: count >= 2) == 2  # the stand-in may read them late


def test_a_refused_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match="cannot be reached"):
        search_models(SearchQuery(), HubClient(f"http://127.0.0.1:{free}", "", pause=0.01), CancelToken())


def test_stopping_ends_the_wait_between_attempts(hub: StandInHub) -> None:
    hub.fault("/api/models", status=503, times=99)
    cancel = CancelToken()
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            search_models(SearchQuery(), client(hub, pause=3600.0), cancel)
        except SagewizardError as error:
            ended.append(type(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: hub.requests, bool)
    cancel.cancel()
    thread.join(30)
    assert ended == [CancelledByUser]
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    "query", [SearchQuery(smallest=2, largest=1), SearchQuery(task="Text Generation"), SearchQuery(task="a&b=c")]
)
def test_a_query_that_makes_no_sense_is_not_asked(hub: StandInHub, query: SearchQuery) -> None:
    with pytest.raises(UsageError) as caught:
        search(hub, query)
    assert caught.value.fix
    assert hub.requests == []
