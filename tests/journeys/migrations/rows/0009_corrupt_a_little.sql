-- 130 of 130 000
update corrupted_a_little set v = v + 1 where id % 1000 = 617;
