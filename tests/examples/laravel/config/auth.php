<?php

return ['providers' => ['users' => ['model' => App\Models\User::class]]];
