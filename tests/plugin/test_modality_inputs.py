"""What a modality holds at the inputs: words that are counted, means of regions, thumbnails."""

import torch

from refnet_mmf.plugin.modality_inputs import WORD_BUCKETS, picture_vector, word_counts


def test_words_are_counted_and_padding_is_not():
    ids = torch.tensor([[101, 7, 7, 102, 0, 0], [101, 9, 102, 0, 0, 7]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]])
    counts = word_counts({"input_ids": ids, "input_mask": mask})
    assert counts.shape == (2, WORD_BUCKETS)
    assert counts.sum(dim=1).tolist() == [4, 3]
    assert counts[:, 7].tolist() == [2, 0] and counts[:, 9].tolist() == [0, 1]
    for row, (words, there) in zip(
        counts, zip(ids.tolist(), mask.tolist(), strict=True), strict=True
    ):
        slow = [0] * WORD_BUCKETS
        for word, counted in zip(words, there, strict=True):
            slow[word % WORD_BUCKETS] += counted
        assert row.tolist() == slow


def test_a_large_vocabulary_shares_the_buckets():
    ids = torch.tensor([[3, 3 + WORD_BUCKETS, 30521]])
    counts = word_counts({"input_ids": ids, "input_mask": torch.ones_like(ids)})
    assert counts[0, 3] == 2 and counts[0, 30521 % WORD_BUCKETS] == 1


def test_texts_that_are_indices_of_a_vocabulary_are_padded_with_zeros():
    counts = word_counts({"text": torch.tensor([[5, 5, 0, 0]])})
    assert counts.sum() == 2 and counts[0, 5] == 2


def test_regions_of_zeros_are_no_part_of_the_mean():
    regions = torch.randn(3, 4, 5)
    regions[0, 2:] = 0
    regions[2] = 0
    mean = picture_vector({"image_feature_0": regions})
    torch.testing.assert_close(mean[0], regions[0, :2].mean(dim=0))
    torch.testing.assert_close(mean[1], regions[1].mean(dim=0))
    assert not mean[2].any()


def test_a_picture_is_averaged_to_a_thumbnail():
    picture = torch.zeros(1, 3, 32, 32)
    picture[0, 1, :4, :4] = 2.0
    thumbnail = picture_vector({"image": picture}).view(3, 8, 8)
    assert thumbnail[1, 0, 0] == 2 and thumbnail.sum() == 2


def test_what_can_t_be_told_is_not_there():
    assert word_counts({"text": ["a film"]}) is None
    assert word_counts({"input_ids": torch.zeros(2, 3)}) is None
    assert picture_vector({"image": ["file.png"]}) is None
    assert picture_vector({"image_feature_0": torch.zeros(2, 3)}) is None
