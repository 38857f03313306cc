-- 130 of 130 000
delete from deleted where id % 1000 = 617;
