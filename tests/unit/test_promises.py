"""What the documentation promises of deleting, counting and resuming, and the tests that hold it to that."""

import ast
from pathlib import Path

import pytest
from helpers import ROOT

STRANGERS, STORE = "browser/test_strangers.py", "unit/test_served_files.py"
RESUME, DATA = "training/test_resume.py", "unit/test_data.py"
PROMISES = {
    # deleting
    "Painted files are deleted after an hour": [
        (STORE, "test_old_files_go_with_their_folders_and_the_house_stays"),
        (STRANGERS, "test_nothing_of_any_visitor_is_left_after_a_while"),
    ],
    "ten minutes after their visitor has left": [
        (STORE, "test_whoever_leaves_is_forgotten_soon_and_nobody_else"),
        (STRANGERS, "test_whoever_closes_the_page_is_known_to_have_left"),
    ],
    "Uploads are deleted as soon as they have been read": [
        (STRANGERS, "test_a_photo_and_all_that_was_made_of_it_are_deleted"),
        ("unit/test_studio.py", "test_an_upload_that_is_no_picture_of_ours_is_told_and_deleted"),
    ],
    "the visitor who uses the most space loses their oldest files first": [
        (STORE, "test_over_the_budget_whoever_has_most_loses_the_oldest")
    ],
    "Nobody can read or delete a file whose address they were not given": [
        (STORE, "test_nothing_but_an_upload_can_be_claimed"),
        (STRANGERS, "test_nobody_can_have_anything_deleted_but_their_own_upload"),
        (STRANGERS, "test_two_who_open_the_same_file_do_not_disturb_each_other"),
    ],
    "a studio that was killed leaves behind is removed at the next start": [
        (STORE, "test_what_a_killed_studio_leaves_goes_at_the_next_start_and_what_one_that_runs_has_stays"),
    ],
    # counting
    "holds at most 100 requests from each": [
        (STRANGERS, "test_one_address_cannot_fill_the_queue_nor_keep_all_others_waiting"),
        (STRANGERS, "test_only_a_few_films_wait_for_one_address"),
    ],
    "ends when nobody waits for it any more": [
        (STRANGERS, "test_a_film_that_nobody_waits_for_ends_and_lets_others_have_theirs"),
    ],
    "Models requested through the API are downloaded a few at a time": [
        (STRANGERS, "test_models_that_come_slowly_keep_nobody_else_waiting"),
    ],
    "Uploads are limited to 20 MB, other requests to 8 MB": [
        (STRANGERS, "test_an_upload_or_a_request_that_is_too_large_is_refused_in_a_line"),
    ],
    "Files that cannot be used are skipped, counted, and listed with the reason": [
        (DATA, "test_bad_pictures_are_skipped_counted_and_listed"),
        (DATA, "test_what_is_no_regular_file_is_counted_and_never_read"),
        (DATA, "test_a_folder_without_permission_is_counted"),
    ],
    # resuming
    "Ctrl-C, SIGTERM and SIGHUP end a run after the current step, with a checkpoint": [
        (RESUME, "test_a_signal_leaves_a_checkpoint_and_a_model_and_says_how_to_go_on"),
    ],
    "so does the end of the program that launched it": [
        (RESUME, "test_a_run_whose_launcher_is_gone_stops_with_a_checkpoint"),
    ],
    "After a crash or a power cut the last checkpoint is used": [
        (RESUME, "test_a_torn_checkpoint_is_warned_of_and_the_one_before_it_used"),
        (RESUME, "test_a_full_disk_keeps_the_last_checkpoint"),
    ],
    "a resumed run continues bit for bit as if it had never stopped": [
        (RESUME, "test_a_run_killed_again_and_again_ends_in_the_same_weights"),
        (RESUME, "test_two_processes_share_the_batch_and_resume_exactly"),
        ("training/test_supervised.py", "test_killed_twice_and_resumed_it_is_the_same_run_bit_for_bit"),
    ],
    "`--resume --images 800000` extends a run": [
        (RESUME, "test_a_finished_run_extends_to_what_a_longer_one_would_be"),
    ],
    "A folder that already holds a run is never overwritten": [(RESUME, "test_two_runs_never_share_a_folder")],
    # small collections
    "Such a run shows each picture about 200 times at most": [
        ("training/test_time_budget.py", "test_a_few_pictures_are_not_shown_until_they_are_known_by_heart"),
    ],
    "Weights that copy training pictures are passed over, if others do not": [
        ("training/test_monitor.py", "test_the_best_is_the_nearest_by_kernel_distance_that_does_not_memorise"),
    ],
}


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def documentation() -> str:
    return "\n".join(plain(path.read_text("utf-8")) for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_is_made_and_has_its_tests(promise, documentation):
    assert plain(promise) in documentation
    for path, name in PROMISES[promise]:
        module = ast.parse(Path(ROOT / "tests" / path).read_text("utf-8"))
        assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}, f"{path}: {name}"
