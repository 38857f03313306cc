-- 600 of 60 000
update corrupted set v = v + 1 where id % 100 = 17;
